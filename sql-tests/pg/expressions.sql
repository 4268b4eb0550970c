SELECT 1, 2147483647, 2147483648, 9223372036854775807, 9223372036854775808, 1.5, -1.50, 1e3, .5;
SELECT 'a', NULL, TRUE, false, 'x'::text, '12'::int, 1::text;
SELECT 1 + 1, 7 / 2, -7 / 2, 7 % 3, -7 % 3, 7.0 / 2, 2 * 3.50, 1.5 + 1;
SELECT 1/0;
SELECT 1 % 0;
SELECT 1.0/0;
SELECT 1.0::float8/0;
SELECT 2147483647 + 1;
SELECT 9223372036854775807 + 1;
SELECT 9223372036854775807 * 2;
SELECT 32767::int2 + 1::int2;
SELECT -2147483648 - 1;
SELECT 40000::int2;
SELECT 3000000000::int4;
SELECT '3000000000'::int4;
SELECT 2.5::int, 3.5::int, -2.5::int, 2.5::float8::int, 3.5::float8::int;
SELECT 0.1::float8 + 0.2::float8, 1e20::float8, 1e-7::float8, 'NaN'::float8, 'Infinity'::float8, 1::float4 / 3;
SELECT 12345678901234567890.1234567890 + 0.0000000001, 1.10 * 1.10, 10.0 / 3, 1 / 3.0, 100000000000 / 7.0;
SELECT 0.1 + 0.2 = 0.3, 0.1::float8 + 0.2::float8 = 0.3::float8, 1.0 = 1.00, 1.50 = 1.5;
SELECT 'abc' = 'ABC', 'a' < 'b', 'a' || 'b', 'a' || NULL, 'n' || 1, 1 || 'n';
SELECT 'A' LIKE 'a', 'A' ILIKE 'a', 'abc' LIKE 'a%', 'abc' LIKE '_b_', 'a%c' LIKE 'a\%c', 'axc' LIKE 'a\%c', 'a' NOT LIKE 'b', 'É' ILIKE 'é';
SELECT 'abc' ~ '^a', 'abc' ~ 'A', 'abc' ~* 'A', 'abc' !~ 'z', 'abc' SIMILAR TO '(a|b)%', 'foo bar' ~ '\mbar\M';
SELECT NULL = NULL, NULL IS NULL, 1 IS DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL, 1 IS NOT NULL;
SELECT NOT true, true AND NULL, false AND NULL, true OR NULL, NULL::bool IS UNKNOWN, true IS TRUE;
SELECT CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END, CASE 1 WHEN 1 THEN 10 ELSE 2.5 END, CASE WHEN false THEN 1 END;
SELECT coalesce(NULL, 1), coalesce(NULL, 'a'), nullif(1, 1), nullif('a', 'b'), greatest(1, 2.5, NULL), least('b', 'a');
SELECT 1 BETWEEN 0 AND 2, 5 NOT BETWEEN 1 AND 3, 'b' BETWEEN 'a' AND 'c';
SELECT 1 IN (1, 2), 3 NOT IN (1, 2), NULL IN (1), 1 IN (NULL, 2), 'a' IN ('a', 'b');
SELECT 1 = ANY(ARRAY[1,2]), 3 = ANY('{1,2}'), 1 <> ALL(ARRAY[2,3]), 5 > ALL(ARRAY[1,2]), 5 > ANY(ARRAY[7,9]), NULL = ANY(ARRAY[1]), 2 = ANY(ARRAY[1,NULL]);
SELECT (1, 2) = (1, 2), (1, 2) < (1, 3), ROW(1, 'a') = ROW(1, 'a'), (1, 2) IN ((1, 2), (3, 4));
SELECT 5 & 3, 5 | 3, 5 # 3, ~5, 1 << 4, 256 >> 2, 2 ^ 10, |/ 16, @ -5;
SELECT 'true'::bool, 't'::bool, 'yes'::bool, 'off'::bool, 1::bool, true::int, true::text, false::text;
SELECT 'maybe'::bool;
SELECT 'abc'::int;
SELECT ''::int;
SELECT '1.5'::int;
SELECT 1 = 'a';
SELECT 1 = '1', '2' > 1;
SELECT 'a'::text = 1;
SELECT 1 + 'a'::text;
SELECT nosuch(1);
SELECT nosuch;
SELECT * FROM nosuch;
SELECT 1 AS "MixedCase", 2 AS lower, 3 AS Upper, 4 "quoted name";
SELECT length('héllo'), octet_length('héllo'), upper('straße'), lower('ÀB'), initcap('hello wORLD');
SELECT 'abc'::char(5), 'abc'::char(5) || 'x', length('abc'::char(5)), 'abc'::varchar(2), 'abcdef'::char(3), 'abc '::char(5) = 'abc';
SELECT 1::numeric(10,2), 1.005::numeric(10,2), 12345.678::numeric(7,2), -0.5::numeric(3,0), '1e5'::numeric, 1.10::numeric;
SELECT 12345.678::numeric(5,2);
SELECT '2024-01-31'::date, '2024-01-31 12:34:56.789'::timestamp, '2024-01-31 12:34:56+02'::timestamptz, '12:34:56'::time, '1 day 2 hours'::interval;
SELECT DATE '2024-01-31' + 1, DATE '2024-01-31' - DATE '2024-01-01', DATE '2024-01-31' + INTERVAL '1 month', TIMESTAMP '2024-01-31' - TIMESTAMP '2024-01-01 12:00';
SELECT '\x48656c6c6f'::bytea, 'Hello'::bytea, E'\\000\\001'::bytea, length('\x0102'::bytea), '\x01'::bytea || '\x02'::bytea;
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '{A0EEBC999C0B4EF8BB6D6BB9BD380A11}'::uuid;
SELECT 'nope'::uuid;
SELECT '{"a": [1, 2.50, {"b": null}], "c": "x"}'::json, '{"b":1, "a":2,"b":3}'::jsonb, '[1,2]'::jsonb, '1.10'::jsonb;
SELECT '{a'::json;
SELECT ARRAY[1,2,3], ARRAY['a','b c',NULL,''], '{1,2}'::int[], ARRAY[[1,2],[3,4]], '{}'::text[], ARRAY[1.5, 2], ARRAY[true,false];
SELECT (ARRAY[1,2,3])[2], (ARRAY['a','b'])[5], ('{{1,2},{3,4}}'::int[])[2][1], (ARRAY[1,2,3,4])[2:3];
SELECT '10.0.0.1'::inet, '10.0.0.0/8'::cidr, '08:00:2b:01:02:03'::macaddr, B'101', '101'::bit(3), B'1' || B'0';
SELECT 1.0::float8, 100000::float8, 1e15::float8, 1e14::float8, 0.0001::float8, 0.00001::float8, 1.5::float4, 0.1::float4;
SELECT 1 AS a UNION SELECT 2 ORDER BY a;
SELECT 1 AS a UNION ALL SELECT 1.5 ORDER BY 1 DESC;
SELECT 'a' AS x UNION SELECT NULL ORDER BY x;
SELECT NULL AS x UNION ALL SELECT 1;
SELECT 1 INTERSECT SELECT 1;
SELECT 1 EXCEPT SELECT 2;
VALUES (1, 'a'), (2, 'b');
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(id, name) ORDER BY id DESC;
SELECT column1, column2 FROM (VALUES (1, 2.5)) v;
SELECT E'a\nb', U&'d\0061t', $$dollar$$, $x$it's$x$, 'it''s', 'con' 'cat';
SELECT current_user = session_user, current_database() IS NOT NULL, current_schema(), current_schemas(true);
SELECT pg_typeof(1), pg_typeof('a'::text), pg_typeof(1.5), pg_typeof(now()), pg_typeof(ARRAY[1]);
SELECT 1 LIMIT ALL;
SELECT 1 OFFSET 0;
SELECT 1 FETCH FIRST ROW ONLY;
SELECT 1 LIMIT -1;
-- differs: a result without columns cannot be made
SELECT FROM (VALUES (1)) v;
-- params: ["5"]
SELECT $1::int + 1;
-- params: ["5", "abc"]
SELECT $1 + 1, $2 || 'x';
-- params: ["5"]
SELECT $1;
-- params: ["2024-01-01T00:00:00Z"]
SELECT $1::timestamptz;
-- params: ["{1,2}", "2"]
SELECT $2 = ANY($1::int[]);
-- params: ["abc"]
SELECT $1::int;
-- params: ["1"]
SELECT * FROM generate_series(1, 5) g WHERE g > $1 LIMIT 2;
-- params: ["x"]
SELECT 'a' LIKE $1, $1 IN ('x', 'y'), coalesce($1, 'z'), CASE WHEN true THEN $1 ELSE 'b' END;
