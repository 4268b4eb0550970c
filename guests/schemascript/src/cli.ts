#!/usr/bin/env node
/** `schemascript`: SQL, migrations and guests from TypeScript files. */

import { parseArgs } from "node:util";
import { addMigration, lastSnapshot } from "./folder.js";
import { loadTables } from "./load.js";
import { createStatements, MigrationError, migration, snapshot } from "./sql/index.js";

const HELP = `schemascript: schemas of SQLite databases in TypeScript

  schemascript sql <schema.ts>
      prints the statements that make the tables which the file exports

  schemascript migrate <schema.ts> [--out drizzle] [--name <name>]
      adds a migration from the last one in the folder to the file's tables, in the format of Drizzle's migrators
        --rename users=people         the table has another name now
        --rename users.name=fullName  the column has another name now
        --drop users.name             the column (or table) goes, with what is in it
        --set users.age=0             what the rows that exist have in the column: SQL
        --dry-run                     prints the statements and writes nothing

  schemascript build <app.ts> [-o app.wasm]
      makes a program that runs inside the database: a WebAssembly module for sqlproxy_serve
        --command, --reactor          what it is; by itself it is a reactor if it calls serve

  schemascript --help
`;

const OPTIONS = {
  help: { type: "boolean", short: "h" },
  out: { type: "string", short: "o" },
  name: { type: "string" },
  rename: { type: "string", multiple: true },
  drop: { type: "string", multiple: true },
  set: { type: "string", multiple: true },
  "dry-run": { type: "boolean" },
  command: { type: "boolean" },
  reactor: { type: "boolean" },
} as const;

type Options = ReturnType<typeof parse>["values"];

const parse = (args: string[]) => parseArgs({ args, options: OPTIONS, allowPositionals: true });

/** What is told to the user as it is. */
class UsageError extends Error {}

const COMMANDS: Record<
  string,
  { options: readonly (keyof Options)[]; run: (file: string, options: Options) => Promise<void> }
> = {
  sql: { options: [], run: printSql },
  migrate: { options: ["out", "name", "rename", "drop", "set", "dry-run"], run: migrate },
  build: { options: ["out", "command", "reactor"], run: build },
};

async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseOrExplain(args);
  const [name, file, ...rest] = positionals;
  if (values.help || name === undefined || name === "help") return void process.stdout.write(HELP);
  const command = COMMANDS[name];
  if (!command) throw new UsageError(`there is no command ${name}; schemascript --help lists them`);
  if (file === undefined)
    throw new UsageError(
      `schemascript ${name} needs a file, as in: schemascript ${name} ${name === "build" ? "app.ts" : "schema.ts"}`,
    );
  if (rest.length > 0) throw new UsageError(`schemascript ${name} takes one file; what is ${rest.join(" ")}?`);
  const unknown = Object.keys(values).find((option) => !command.options.includes(option as keyof Options));
  if (unknown) throw new UsageError(`schemascript ${name} has no option --${unknown}`);
  await command.run(file, values);
}

function parseOrExplain(args: string[]) {
  try {
    return parse(args);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function printSql(file: string): Promise<void> {
  process.stdout.write(`${createStatements(await loadTables(file)).join("\n")}\n`);
}

async function migrate(file: string, options: Options): Promise<void> {
  const folder = options.out ?? "drizzle";
  const from = lastSnapshot(folder);
  const to = snapshot(await loadTables(file));
  const { statements, notes } = migration(from, to, {
    rename: pairs("rename", options.rename),
    drop: options.drop ?? [],
    set: pairs("set", options.set),
  });
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
  if (statements.length === 0) return void process.stdout.write("the schema has not changed\n");
  if (options["dry-run"]) return void process.stdout.write(`${statements.join("\n")}\n`);
  const first = Object.keys(from.tables).length === 0;
  process.stdout.write(
    `${addMigration(folder, options.name ?? (first ? "init" : "change"), statements, to, new Date())}\n`,
  );
}

/** `--rename a=b`, as an object. */
function pairs(option: string, given: string[] = []): Record<string, string> {
  const entries = given.map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1 || at === pair.length - 1)
      throw new UsageError(`--${option} ${pair}: it has to be --${option} <name>=<value>`);
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return Object.fromEntries(entries);
}

async function build(file: string, options: Options): Promise<void> {
  if (options.command && options.reactor) throw new UsageError("a program is a --command or a --reactor, not both");
  const kind = options.command ? "command" : options.reactor ? "reactor" : undefined;
  // The compiler of guests is big, and a schema needs none of it.
  const address = new URL("./build/index.js", import.meta.url).href;
  const { build } = (await import(address)) as { build(entry: string, options: { out: string; kind: typeof kind }): Promise<Built> };
  const out = options.out ?? file.replace(/\.[^./\\]+$/, "").concat(".wasm");
  const built = await build(file, { out, kind });
  process.stdout.write(`${built.out}: ${built.kind}, ${built.bytes} bytes\n`);
}

interface Built {
  out: string;
  kind: string;
  bytes: number;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  const lines = error instanceof MigrationError ? error.problems : [message];
  for (const line of lines) process.stderr.write(`schemascript: ${line}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
