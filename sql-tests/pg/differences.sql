CREATE TABLE d (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v varchar(20), n numeric(12,3), g int GENERATED ALWAYS AS (length(v)) STORED);

-- params: ["hi", "1.5"]
INSERT INTO d (v, n) VALUES ($1, $2) RETURNING id, v, n, g, id + 1;
-- params: ["ho", "1"]
UPDATE d SET v = $1 WHERE id = $2 RETURNING v, g;
-- params: ["ho"]
SELECT id FROM d WHERE v = $1;
-- params: ["ho", "x"]
SELECT id FROM d WHERE v IN ($1, $2) AND v <> 'y';

UPDATE d SET id = 5;
UPDATE d SET g = 5;
UPDATE d SET g = DEFAULT, v = 'x' RETURNING g;
UPDATE d SET g = DEFAULT;
UPDATE d SET (v, g) = ('a', 1);
UPDATE d SET (v, g) = ('b', DEFAULT) RETURNING v, g;
UPDATE d SET (v, id) = (SELECT 'a', 1);
INSERT INTO d (g) VALUES (1);
INSERT INTO d (g, v) VALUES (DEFAULT, 'yy') RETURNING g;
INSERT INTO d (id, v) VALUES (9, 'yy');
INSERT INTO d (id, v) SELECT 9, 'yy';
INSERT INTO d (id, v) OVERRIDING SYSTEM VALUE SELECT 9, 'yy';
INSERT INTO d (id, v) OVERRIDING SYSTEM VALUE VALUES (10, 'zz');
INSERT INTO d (id, v) OVERRIDING SYSTEM VALUE VALUES (10, 'q') ON CONFLICT (id) DO UPDATE SET id = 11;

-- params: ["{1,2,NULL}"]
SELECT 1 = ANY($1::int[]), 3 = ANY($1::int[]), 3 <> ALL($1::int[]), 1 <> ALL($1::int[]), NULL = ANY($1::int[]);
-- params: [null]
SELECT 1 = ANY($1::int[]), 1 <> ALL($1::int[]), 1 > ANY($1::int[]), 1 > ALL($1::int[]), NULL = ANY($1::int[]);
-- params: ["{}"]
SELECT 1 = ANY($1::int[]), 1 <> ALL($1::int[]), 1 > ANY($1::int[]), 1 > ALL($1::int[]), NULL::int = ANY($1::int[]), NULL::int <> ALL($1::int[]);
SELECT 'a' LIKE ANY(ARRAY['b', NULL]), 'a' LIKE ANY(ARRAY['a', NULL]), 'a' LIKE ALL(ARRAY['a', NULL]), 'a' NOT LIKE ALL(ARRAY['b', NULL]), 'a' LIKE ANY(NULL::text[]), 'a' LIKE ALL(ARRAY['a', '_']), 'a' ILIKE ANY(ARRAY['A']), 'a' NOT ILIKE ANY(ARRAY['A', 'B']);
SELECT 1.5 = ANY(ARRAY[1.50, NULL]), 1.5 = ANY(NULL::numeric[]), 1.5 <> ALL(NULL::numeric[]);
-- params: ["{1,10,NULL}"]
SELECT id FROM d WHERE id = ANY($1) ORDER BY id;
-- params: ["{1,NULL}"]
SELECT id FROM d WHERE id <> ALL($1);

SELECT FROM d;
SELECT WHERE false;
SELECT FROM d LIMIT 1;
SELECT count(*) FROM (SELECT FROM d) x;
SELECT EXISTS (SELECT FROM d WHERE id = 1);

CREATE TABLE d2 AS SELECT id, v FROM d;
CREATE TABLE d3 AS SELECT id, v FROM d WITH NO DATA;
CREATE TABLE d4 AS SELECT id, v FROM d WITH DATA;
SELECT count(*) FROM d3;
SELECT count(*) FROM d4;
SELECT id INTO d5 FROM d WHERE id > 1;
SELECT count(*) FROM d5;
DROP TABLE d2, d3, d4, d5;

-- params: ["1.5"]
SELECT coalesce(n, $1), greatest(n, $1), nullif(n, $1) FROM d ORDER BY id;
SELECT coalesce(n, 1), coalesce(n, n), coalesce(v, v), coalesce(v, 'a') FROM d ORDER BY id;

-- Views know their columns, and are in the way of what they read.
CREATE VIEW dv AS SELECT id, v FROM d WHERE v <> '';
CREATE VIEW dv2 AS SELECT id AS number FROM dv;
SELECT * FROM dv2 ORDER BY 1 LIMIT 1;
DROP TABLE d;
DROP VIEW dv;
DROP VIEW dv, dv2;
CREATE VIEW dv AS SELECT id, v FROM d WHERE v <> '';
CREATE VIEW dv2 AS SELECT id AS number FROM dv;
DROP TABLE d CASCADE;
SELECT * FROM dv2;

-- The catalog knows schemas that users make.
CREATE SCHEMA more;
CREATE TABLE more.t (id int, name text);
INSERT INTO more.t VALUES (1, 'a') RETURNING id, name;
SELECT id, name FROM more.t;
SELECT nspname FROM pg_namespace WHERE nspname IN ('more', 'public') ORDER BY 1;
SELECT c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 't' AND c.relkind = 'r';
SELECT table_schema, table_name, column_name FROM information_schema.columns WHERE table_schema = 'more' ORDER BY ordinal_position;

-- Grouping sets.
CREATE TABLE s (region text, item text, day date, amount numeric(10,2), pieces int);
INSERT INTO s VALUES ('n', 'a', '2024-01-01', 10, 1), ('n', 'b', '2024-01-02', 20.5, 2), ('s', 'a', '2024-01-01', 5, 3), ('s', NULL, '2024-01-03', 7.25, 4);
SELECT region, item, sum(amount), count(*) FROM s GROUP BY ROLLUP (region, item) ORDER BY region NULLS LAST, item NULLS LAST, 4;
SELECT region, item, sum(pieces) AS pieces, grouping(region, item) AS level FROM s GROUP BY CUBE (region, item) ORDER BY level, region, item;
SELECT region, item, sum(amount) FROM s GROUP BY GROUPING SETS ((region), (item), ()) ORDER BY grouping(region), grouping(item), region, item;
SELECT region, day, count(*) FROM s GROUP BY region, ROLLUP (day) ORDER BY 1, 2 NULLS LAST;
SELECT region, item, count(*) FROM s GROUP BY ROLLUP ((region, item)) ORDER BY 3, 1, 2;
SELECT upper(region) AS r, sum(pieces) FROM s GROUP BY ROLLUP (r) ORDER BY 1;
SELECT region, sum(pieces) FROM s GROUP BY ROLLUP (1) ORDER BY sum(pieces) DESC;
SELECT region, sum(pieces) FROM s GROUP BY ROLLUP (region) HAVING sum(pieces) > 3 ORDER BY 2;
SELECT region, sum(pieces) FROM s WHERE false GROUP BY ROLLUP (region);
SELECT region FROM s GROUP BY ROLLUP (region) ORDER BY 1;
SELECT coalesce(region, 'all') AS region, max(region), min(amount) FROM s GROUP BY ROLLUP (region) ORDER BY 1;
SELECT DISTINCT grouping(region) + grouping(item) AS depth FROM s GROUP BY CUBE (region, item) ORDER BY 1 DESC;
SELECT * FROM (SELECT region, sum(amount) AS total FROM s GROUP BY ROLLUP (region)) x WHERE region IS NULL;
SELECT amount, count(*) FROM s GROUP BY ROLLUP (amount) ORDER BY amount NULLS FIRST LIMIT 3 OFFSET 1;
-- params: ["3"]
SELECT region, sum(pieces) + $1 FROM s GROUP BY ROLLUP (region) ORDER BY 1;
SELECT region, grouping(region) FROM s GROUP BY region ORDER BY 1;
SELECT region, item FROM s GROUP BY ROLLUP (region);
SELECT grouping(item) FROM s GROUP BY ROLLUP (region);
SELECT region, (SELECT count(*) FROM s x WHERE x.region = s.region) FROM s GROUP BY ROLLUP (region) ORDER BY 1;

-- Conditions and defaults as they are printed.
CREATE TABLE c (id serial PRIMARY KEY, t text DEFAULT 'x', c char(3) DEFAULT 'a', ts timestamptz DEFAULT now(), d date DEFAULT CURRENT_DATE, b bool DEFAULT false, n numeric(10,2) DEFAULT 0, m numeric DEFAULT 1.5, i int DEFAULT -1, j jsonb DEFAULT '{}', u uuid DEFAULT gen_random_uuid(), v varchar(5) DEFAULT 'v', big bigint DEFAULT 5);
ALTER TABLE c ADD CONSTRAINT k01 CHECK (i > -5);
ALTER TABLE c ADD CONSTRAINT k02 CHECK (t IN ('x', 'y'));
ALTER TABLE c ADD CONSTRAINT k03 CHECK (length(t) > 0 AND n >= 0);
ALTER TABLE c ADD CONSTRAINT k04 CHECK (t <> '');
ALTER TABLE c ADD CONSTRAINT k05 CHECK (v LIKE 'a%' OR v IS NULL);
ALTER TABLE c ADD CONSTRAINT k06 CHECK (i BETWEEN 1 AND 5);
ALTER TABLE c ADD CONSTRAINT k07 CHECK (v IN ('a', 'b'));
ALTER TABLE c ADD CONSTRAINT k08 CHECK (i IN (1, 2));
ALTER TABLE c ADD CONSTRAINT k09 CHECK (i NOT IN (1, 2) AND (t = 'a' OR t = 'b'));
ALTER TABLE c ADD CONSTRAINT k10 CHECK (v = 'x');
ALTER TABLE c ADD CONSTRAINT k11 CHECK (v = t);
ALTER TABLE c ADD CONSTRAINT k12 CHECK (n > 0);
ALTER TABLE c ADD CONSTRAINT k14 CHECK (big > 3000000000);
ALTER TABLE c ADD CONSTRAINT k15 CHECK (i + 1 < 10);
ALTER TABLE c ADD CONSTRAINT k16 CHECK (lower(v) = 'a');
ALTER TABLE c ADD CONSTRAINT k17 CHECK (NOT (i > 5));
ALTER TABLE c ADD CONSTRAINT k18 CHECK (n > i);
ALTER TABLE c ADD CONSTRAINT k19 CHECK (t IS NOT NULL);
SELECT conname, pg_get_constraintdef(oid), pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conrelid = 'c'::regclass ORDER BY conname;
SELECT constraint_name, check_clause FROM information_schema.check_constraints WHERE constraint_name LIKE 'k%' ORDER BY 1;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'c'::regclass ORDER BY adnum;
CREATE INDEX ci ON c (lower(t), i DESC) WHERE n > 0 AND t = 'x';
CREATE INDEX ci2 ON c (lower(v));
SELECT pg_get_indexdef('ci'::regclass), pg_get_indexdef('ci2'::regclass);
-- What was printed is understood.
ALTER TABLE c ADD CONSTRAINT k20 CHECK ((t = ANY (ARRAY['x'::text, 'y'::text])));
ALTER TABLE c ADD CONSTRAINT k21 CHECK (((v)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])));
ALTER TABLE c ADD CONSTRAINT k22 CHECK ((i <> ALL (ARRAY[7, 8])));
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN ('k20', 'k22') ORDER BY conname;
SELECT 1 = ANY (ARRAY[1, 2]), 3 = ANY (ARRAY[1, NULL]), 'a' = ANY ('{a,b}'), 3 <> ALL (ARRAY[1, NULL]);
