CREATE TABLE n (id int PRIMARY KEY, p numeric(6,2), q numeric(10,4), f float4, s smallint, c char(5), v varchar(3), ts timestamp(0), tz timestamptz, t time, iv interval, arr int[], j json, flag bool);
INSERT INTO n VALUES (1, 10.5, 2.25, 1.1, 5, 'ab', 'abc', '2024-01-01 10:00:00.6', '2024-06-01 12:00+02', '10:00', '1 day', '{3,1}', '{"x": [1, 2]}', 't'), (2, -3, 0, 0.5, -5, 'ab   ', NULL, 'infinity', '-infinity', '24:00', '-1 mon', NULL, 'null', 'f'), (3, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, '{}', NULL, NULL);
SELECT * FROM n ORDER BY id;
SELECT p + q, p * q, p / q, p - 1, q % 2 FROM n WHERE id = 1;
SELECT coalesce(p, 0), coalesce(q, 1.5), CASE WHEN id = 1 THEN p ELSE 0 END, nullif(p, 10.5), greatest(p, q), least(p, 1) FROM n ORDER BY id;
SELECT id FROM n WHERE p > q ORDER BY id;
SELECT id FROM n WHERE p = 10.50 AND q < 2.2500001;
SELECT id FROM n WHERE p IN (10.5, 3) OR p = ANY(ARRAY[-3.00]) ORDER BY id;
SELECT id FROM n WHERE p BETWEEN -3 AND 10.50 ORDER BY p;
SELECT p::text, q::text, p::float8, q::int, f::text, s + 1, -s FROM n WHERE id = 1;
SELECT c, c || 'x', length(c), c = 'ab', c LIKE 'ab', v FROM n ORDER BY id;
SELECT count(*) FROM n WHERE c = 'ab   ';
SELECT id FROM n ORDER BY iv, id;
SELECT id FROM n ORDER BY iv DESC NULLS LAST, id;
SELECT max(iv), min(iv), max(t), min(ts), max(tz) FROM n;
SELECT id FROM n ORDER BY arr, id;
SELECT id, arr[1], arr[2:2], array_length(arr, 1), 1 = ANY(arr), arr || 4 FROM n ORDER BY id;
SELECT j->'x'->0, j->>'x' FROM n WHERE id = 1;
SELECT id FROM n WHERE flag;
SELECT id FROM n WHERE NOT flag;
SELECT id FROM n WHERE flag IS NOT TRUE ORDER BY id;
SELECT id FROM n WHERE flag = 'f';
SELECT flag::text, flag::int, flag AND true, flag OR NULL FROM n ORDER BY id;
SELECT s / 2, s % 2, s / 2.0, s * 10000 FROM n WHERE id = 1;
SELECT s * 10000::smallint FROM n WHERE id = 1;
UPDATE n SET s = 40000 WHERE id = 1;
UPDATE n SET s = s + 32767 WHERE id = 1;
UPDATE n SET p = 99999.99 WHERE id = 1;
UPDATE n SET v = 'abcd' WHERE id = 1;
UPDATE n SET v = 'abc   ' WHERE id = 1 RETURNING v;
UPDATE n SET v = repeat('x', 4) WHERE id = 1;
UPDATE n SET c = 'toolong' WHERE id = 1;
UPDATE n SET p = p / 3 WHERE id = 1 RETURNING p;
SELECT sum(p), avg(p), sum(q), sum(f), avg(f), sum(s), avg(s), stddev(p), variance(q) FROM n;
SELECT p, count(*) FROM n GROUP BY p ORDER BY p NULLS FIRST;
SELECT DISTINCT p, q FROM n ORDER BY p;
SELECT p FROM n UNION SELECT 3.5 UNION SELECT 3.50 ORDER BY 1;
SELECT p FROM n UNION ALL SELECT q FROM n ORDER BY 1;
-- differs: which of two equal numbers is kept
SELECT 1 AS x UNION SELECT 1.0 ORDER BY 1;
SELECT id FROM n WHERE (p, q) = (3.50, 2.25);
-- params: ["3.5"]
SELECT id, p + $1, p * $1::numeric FROM n WHERE p = $1;
-- params: ["ab"]
SELECT id FROM n WHERE c = $1 ORDER BY id;
-- params: ["f", "2024-06-01T10:00:00Z"]
SELECT id FROM n WHERE flag = $1 OR tz = $2 ORDER BY id;
-- params: ["{3,1}"]
SELECT id FROM n WHERE arr = $1;
-- params: ["1 day"]
SELECT id, tz + $1::interval, ts - $1::interval FROM n WHERE iv = $1;
-- params: [null]
SELECT id FROM n WHERE p = $1;
-- params: ["abc"]
SELECT id FROM n WHERE id = $1;
-- params: ["99999999999"]
SELECT id FROM n WHERE id = $1;
-- params: ["5"]
SELECT id FROM n WHERE s + $1 > 0 ORDER BY id;
SELECT tz, tz::date, tz::time, tz::timestamp, ts::date, tz AT TIME ZONE 'UTC', extract(hour FROM tz), date_trunc('month', tz) FROM n WHERE id = 1;
SELECT t + interval '30 minutes', t - time '09:00', t > '09:59:59.9' FROM n WHERE id = 1;
SELECT id FROM n WHERE ts > '2024-01-01' AND ts < now() ORDER BY id;
SELECT ts - '2024-01-01'::timestamp, tz - tz, ts + '1 hour' FROM n WHERE id = 1;
SELECT 'x' || c || 'y', concat(c, '|', p, '|', flag), format('%s %s', c, flag) FROM n WHERE id = 1;
CREATE VIEW w AS SELECT id, p * 2 AS dbl, c, flag, arr, count(*) OVER () AS total, CASE WHEN flag THEN 'yes' END AS lbl FROM n;
SELECT * FROM w ORDER BY id;
SELECT dbl + 1, lbl || '!', arr[1] FROM w WHERE flag;
WITH q AS (SELECT p, q AS qq, arr FROM n) SELECT sum(p), max(qq), count(arr) FROM q;
WITH q(a, b) AS (VALUES (1, 1.50), (2, NULL)) SELECT a, b, b * 2 FROM q ORDER BY b DESC;
SELECT x.* FROM (SELECT p, p AS p2, row_number() OVER (ORDER BY id) FROM n) x ORDER BY 3;
SELECT a.id, b.id FROM n a LEFT JOIN n b ON b.p > a.p ORDER BY 1, 2 NULLS FIRST;
SELECT n.id, m.id FROM n LEFT JOIN (SELECT id + 1 AS id FROM n) m USING (id) ORDER BY 1;
SELECT EXISTS (SELECT 1 FROM n WHERE p > 100), NOT EXISTS (SELECT FROM n WHERE id = 1);
SELECT id FROM n WHERE p > (SELECT avg(p) FROM n);
SELECT id, (SELECT max(m.p) FROM n m WHERE m.id < n.id) FROM n ORDER BY id;
SELECT string_agg(id::text, ',' ORDER BY p DESC NULLS LAST), array_agg(p ORDER BY id), json_agg(p ORDER BY id), array_agg(DISTINCT flag) FROM n;
SELECT lower(v) AS lv, count(*) FROM n GROUP BY lower(v) ORDER BY 1;
SELECT id % 2 AS odd, sum(id) FROM n GROUP BY id % 2 HAVING sum(id) > 1 ORDER BY odd;
SELECT count(*), count(p), count(DISTINCT c) FROM n;
SELECT id, rank() OVER (ORDER BY p DESC NULLS LAST), sum(p) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING), avg(id) OVER () FROM n ORDER BY id;
DELETE FROM n WHERE p = 3.5 RETURNING id, p;
INSERT INTO n (id, p) VALUES (2, 1) ON CONFLICT (id) DO UPDATE SET p = n.p + excluded.p RETURNING p;
INSERT INTO n (id, j) VALUES (9, '{bad}');
INSERT INTO n (id, arr) VALUES (9, '{1,x}');
INSERT INTO n (id, arr) VALUES (9, ARRAY[1, 2]) RETURNING arr;
INSERT INTO n (id, tz) VALUES (10, '2024-02-30');
INSERT INTO n (id, flag, iv, ts) VALUES (11, 'yes', 'PT1H', 'Jan 5 2024 3:04 PM') RETURNING flag, iv, ts;
INSERT INTO n (id, p) SELECT 20 + g, g / 3.0 FROM generate_series(1, 3) g RETURNING p;
INSERT INTO n (id, s) SELECT 30, 100000;
