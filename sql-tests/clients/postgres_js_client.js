// postgres.js: named statements described before they are bound, cursors by portal, pipelined queries.
'use strict';
const fs = require('fs');
const path = require('path');
const postgres = require('postgres');

const show = (value) => console.log(typeof value, JSON.stringify(value));

async function main() {
  const sql = postgres({ max: 2, onnotice: (notice) => console.log('notice', notice.code, notice.message), connection: { TimeZone: 'UTC' } });
  await sql.file(path.join(__dirname, 'kinds.sql')).simple();
  const kinds = await sql`SELECT * FROM kinds ORDER BY id`;
  show(kinds.columns.map((column) => [column.name, column.type]));
  for (const row of kinds) for (const value of Object.values(row)) show(value);

  const row = {
    truth: false, small: 7, number: -1, big: '1099511627776', double: 2.5, exact: '-0.125', words: "it's \\ ü", day: new Date(Date.UTC(1999, 11, 31)),
    moment: new Date(Date.UTC(2000, 0, 1)), instant: new Date(Date.UTC(2001, 1, 3)), code: '12345678-1234-5678-1234-567812345678',
    document: { k: [1, 2] }, bytes: Buffer.from([1, 0, 39, 92]), numbers: [1, 2], names: ['x', 'a"b'],
  };
  const [made] = await sql`INSERT INTO kinds ${sql(row)} RETURNING ${sql(Object.keys(row))}`;
  for (const value of Object.values(made)) show(value);

  await sql`CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL, price numeric(8, 2))`;
  const many = [...Array(50).keys()].map((n) => ({ name: `item ${n}`, price: n / 4 }));
  const inserted = await sql`INSERT INTO item ${sql(many)} RETURNING id`;
  show([inserted.command, inserted.count, inserted.length]);
  show(await sql`SELECT id, name FROM item WHERE id IN ${sql([1, 3, 99])} ORDER BY id`);
  show(await sql`SELECT count(*), sum(price) FROM item WHERE name LIKE ${'item 1%'} AND id > ${3}`);
  show(await sql`SELECT id FROM item WHERE id = ANY(${[2, 4]}) ORDER BY id`);
  show(await Promise.all([sql`SELECT 1 AS a`, sql`SELECT ${'x'}::text AS b`, sql`SELECT 2.5::float8 AS c`]));

  let seen = [];
  await sql`SELECT id FROM item ORDER BY id`.cursor(20, (rows) => { seen.push(rows.length); });
  show(seen);
  seen = 0;
  for await (const [one] of sql`SELECT id FROM item`.cursor()) seen += one.id;
  show(seen);

  await sql.begin(async (sql) => {
    await sql`INSERT INTO item (name) VALUES ('kept')`;
    await sql.savepoint(async (sql) => {
      await sql`INSERT INTO item (name) VALUES ('lost')`;
      throw new Error('no');
    }).catch(() => {});
  });
  show(await sql`SELECT name FROM item WHERE name IN ('kept', 'lost')`);

  const stream = await sql`COPY (SELECT id, name FROM item WHERE id < 3 ORDER BY id) TO STDOUT`.readable();
  let text = '';
  for await (const chunk of stream) text += chunk;
  show(text);
  const into = await sql`COPY item (id, name) FROM STDIN`.writable();
  await new Promise((resolve, reject) => {
    into.on('error', reject).on('finish', resolve);
    into.end('1001\tcopied\n1002\tcopied too\n');
  });
  show(await sql`SELECT id, name FROM item WHERE id > 1000 ORDER BY id`);

  for (const wrong of [() => sql`SELEC 1`, () => sql`SELECT * FROM nothing`, () => sql`INSERT INTO item (id, name) VALUES (1, 'again')`, () => sql`SELECT 1/0`]) {
    try {
      await wrong();
      show('no error');
    } catch (error) {
      show([error.code, error.message, error.position, error.constraint_name, error.table_name]);
    }
  }
  await sql.unsafe('DROP TABLE IF EXISTS never');
  show(await sql.unsafe('SELECT 1 AS a; SELECT 2 AS b'));
  const described = await sql`SELECT id, name FROM item WHERE price > ${0}`.describe();
  show([described.types, described.columns.map((column) => [column.name, column.type])]);
  await sql.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
