CREATE TABLE kinds (
    id serial PRIMARY KEY,
    truth boolean,
    small smallint,
    number integer,
    big bigint,
    single real,
    double double precision,
    exact numeric(12,3),
    words text,
    short varchar(20),
    padded char(5),
    day date,
    clock time,
    moment timestamp,
    instant timestamptz,
    span interval,
    code uuid,
    plain json,
    document jsonb,
    bytes bytea,
    numbers integer[],
    names text[]
);
INSERT INTO kinds (truth, small, number, big, single, double, exact, words, short, padded, day, clock, moment, instant,
                   span, code, plain, document, bytes, numbers, names)
VALUES (true, 32767, -2147483648, 9223372036854775807, 1.5, 0.1, 123456789.125, 'Grüße, 東京 ''"\', 'short', 'ab',
        '2024-02-29', '13:14:15.5', '2024-02-29 13:14:15.123456', '2024-02-29 13:14:15.5+02', '1 day 02:03:04',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, null]}', '{"b": 2, "a": {"c": "d"}}', '\x00ff10',
        '{1,NULL,-3}', '{"a","b c","d,e","\"q\"",NULL}');
INSERT INTO kinds (words) VALUES (NULL);
