// node host.js LIBRARY NAME SQL...   with better-sqlite3, which opens no URI filenames
const { createRequire } = require("node:module");
const modules = process.env.SQLBRIDGE_NODE_MODULES;
const load = modules ? createRequire(modules + "/") : require;
const Database = load("better-sqlite3");
const [library, name, ...statements] = process.argv.slice(2);
const first = new Database(":memory:");
first.loadExtension(library);
first.prepare("SELECT sqlbridge_open_urls(1)").get();
const db = new Database(name);
for (const sql of statements) {
  const statement = db.prepare(sql);
  if (statement.reader) for (const row of statement.raw().iterate()) console.log(row.join("|"));
  else statement.run();
}
db.close();
