-- What psql's users do: scripts with variables and conditions, \d, \copy, errors that do not end the script.
\pset null '(null)'
SELECT 1 AS one, 'text' AS two, NULL AS three, 2.50 AS four, true AS five;
\i kinds.sql
\x on
SELECT * FROM kinds ORDER BY id;
\x off
\d kinds
CREATE TABLE author (id serial PRIMARY KEY, name varchar(50) NOT NULL UNIQUE, born date DEFAULT '2000-01-01');
CREATE TABLE book (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author_id integer NOT NULL REFERENCES author ON DELETE CASCADE,
    title text NOT NULL,
    price numeric(10,2) CHECK (id > 0)
);
CREATE INDEX book_title ON book (lower(title));
CREATE VIEW cheap AS SELECT title, price FROM book WHERE price < 10;
\dt
\d author
\d book
\d book_title
\dv
\di
\d cheap
\copy author (name, born) FROM STDIN WITH (FORMAT csv)
Ada,1815-12-10
"Doe, Jane",
\.
INSERT INTO book (author_id, title, price) VALUES (1, 'Notes', 9.5), (2, 'Other', 20), (2, 'Third', NULL) RETURNING id, title;
\copy (SELECT name, born FROM author ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER, NULL '-')
COPY book (id, title, price) TO STDOUT;
SELECT * FROM cheap;
SELECT a.name, count(*), sum(price) FROM author a JOIN book b ON b.author_id = a.id GROUP BY a.name ORDER BY a.name;

\set who 'Doe, Jane'
SELECT id AS author FROM author WHERE name = :'who' \gset
\echo author :author
\if :{?author}
SELECT count(*) FROM book WHERE author_id = :author;
\else
\echo not seen
\endif
SELECT format('SELECT %L AS made', n) FROM generate_series(1, 2) AS n \gexec
SELECT title, author_id, price FROM book ORDER BY title \crosstabview title author_id price

-- Errors.
SELEC 1;
SELECT nothing FROM book;
SELECT * FROM nothing;
\set VERBOSITY terse
INSERT INTO author (name) VALUES ('Ada');
INSERT INTO author (name) VALUES (NULL);
-- SQLite does not say which foreign key it is.
\set VERBOSITY sqlstate
INSERT INTO book (author_id, title) VALUES (1, 'x'), (77, 'y');
INSERT INTO book (id, author_id, title) OVERRIDING SYSTEM VALUE VALUES (-1, 1, 'x');
\set VERBOSITY default
SELECT 1/0;
SELECT 'x'::int;
\echo :SQLSTATE :ROW_COUNT :LAST_ERROR_MESSAGE
\set VERBOSITY sqlstate
SELECT 1/0;
\set VERBOSITY default

-- Transactions.
BEGIN;
INSERT INTO author (name) VALUES ('kept');
SAVEPOINT a;
\set VERBOSITY terse
INSERT INTO author (name) VALUES ('Ada');
\set VERBOSITY default
SELECT 1;
ROLLBACK TO a;
INSERT INTO author (name) VALUES ('too');
COMMIT;
BEGIN; DELETE FROM author; ROLLBACK;
COMMIT;
SELECT name FROM author ORDER BY name;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'still here' AS state;
COMMIT;
\set AUTOCOMMIT off
INSERT INTO author (name) VALUES ('lost');
ROLLBACK;
\set AUTOCOMMIT on
SELECT count(*) FROM author;
\set FETCH_COUNT 2
SELECT id, title FROM book ORDER BY id;
\unset FETCH_COUNT
PREPARE q (int) AS SELECT title FROM book WHERE id = $1;
EXECUTE q (2);
DEALLOCATE q;
EXPLAIN SELECT 1 \g /dev/null
DROP TABLE IF EXISTS never;
SET client_min_messages TO warning;
DROP TABLE book, author CASCADE;
\d
