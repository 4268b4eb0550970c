// node-postgres: text results, unnamed and named statements, cursors, pools.
'use strict';
const fs = require('fs');
const path = require('path');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');

const show = (value) => console.log(typeof value, JSON.stringify(value));

async function main() {
  const client = new Client();
  client.on('notice', (notice) => console.log('notice', notice.code, notice.message));
  await client.connect();
  await client.query("SET TimeZone TO 'UTC'");
  await client.query(fs.readFileSync(path.join(__dirname, 'kinds.sql'), 'utf8'));
  const kinds = await client.query('SELECT * FROM kinds ORDER BY id');
  show(kinds.fields.map((field) => [field.name, field.dataTypeID]));
  for (const row of kinds.rows) for (const value of Object.values(row)) show(value);

  const columns = 'truth, small, number, big, double, exact, words, day, moment, instant, code, document, bytes, numbers, names';
  const values = [
    false, 7, -1, '1099511627776', 2.5, '-0.125', "it's \\ ü", '1999-12-31', '2000-01-01 00:00:00.000005', new Date(Date.UTC(2001, 1, 3)),
    '12345678-1234-5678-1234-567812345678', { k: [1, 2] }, Buffer.from([1, 0, 39, 92]), [1, 2], ['x', null, 'a"b'],
  ];
  const marks = values.map((_, n) => `$${n + 1}`).join(', ');
  const made = await client.query(`INSERT INTO kinds (${columns}) VALUES (${marks}) RETURNING ${columns}`, values);
  show([made.command, made.rowCount]);
  for (const value of Object.values(made.rows[0])) show(value);

  const several = await client.query('CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL); SELECT 1 AS one; SELECT 2 AS two, 3 AS three');
  show(several.map((result) => [result.command, result.rowCount, result.rows]));
  for (let n = 1; n <= 20; n++) await client.query({ name: 'insert', text: 'INSERT INTO item (name) VALUES ($1)', values: [`item ${n}`] });
  show((await client.query({ text: 'SELECT count(*), max(id) FROM item WHERE id = ANY($1)', values: [[1, 2, 50]], rowMode: 'array' })).rows);
  show((await client.query('SELECT id FROM item WHERE id IN ($1, $2) AND name LIKE $3 ORDER BY id', [3, '1', 'item%'])).rows);
  show((await client.query('SELECT $1::int + $2::int AS sum, $3::text AS text, $4::boolean AS truth', [1, 2, 'x', true])).rows);
  show((await client.query('SELECT id FROM item ORDER BY id LIMIT $1 OFFSET $2', [2, 5])).rows);

  const cursor = client.query(new Cursor('SELECT id FROM item WHERE id > $1 ORDER BY id', [3]));
  show((await cursor.read(5)).map((row) => row.id));
  show((await cursor.read(100)).length);
  await cursor.close();

  for (const [sql, values] of [
    ['SELEC 1'], ['SELECT * FROM nothing'], ['INSERT INTO item (id, name) VALUES ($1, $2)', [1, 'again']],
    ['INSERT INTO item (name) VALUES ($1)', [null]], ['SELECT $1::int', ['x']], ['SELECT 1/0'],
  ]) {
    try {
      await client.query(sql, values);
      show('no error');
    } catch (error) {
      show([error.code, error.message, error.severity, error.position, error.constraint, error.table, error.column]);
    }
  }

  await client.query('BEGIN');
  await client.query('INSERT INTO item (name) VALUES ($1)', ['lost']);
  await client.query('ROLLBACK');
  show((await client.query("SELECT count(*)::int AS n FROM item WHERE name = 'lost'")).rows);
  await client.query('DROP TABLE IF EXISTS never');
  await client.end();

  const pool = new Pool({ max: 3 });
  const answers = await Promise.all([...Array(10).keys()].map((n) => pool.query('SELECT $1::int AS n', [n])));
  show(answers.map((answer) => answer.rows[0].n));
  await pool.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
