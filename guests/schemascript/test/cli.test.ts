/** The command line, as it is installed. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeEach, expect, test } from "vitest";

const package_ = resolve(import.meta.dirname, "..");
let folder = "";

beforeEach(() => {
  // Inside of the package, so that its name resolves as it does where it is installed.
  folder = mkdtempSync(join(package_, "dist", "cli-test-"));
});
afterAll(() =>
  readdirSync(join(package_, "dist"))
    .filter((name) => name.startsWith("cli-test-"))
    .forEach((name) => rmSync(join(package_, "dist", name), { recursive: true })),
);

function schemascript(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(package_, "dist", "cli.js"), ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

const USERS = `
import { Table } from "schemascript";
import { shared } from "@/shared";
import { cpus } from "node:os";
import { constant } from "fast-check";
export const Users = Table("users", (prop) => ({ id: prop.integer().identifier(), ...shared(prop) }));
export const notATable: number = cpus().length + (constant(1) ? 1 : 0);
`;
const SHARED = `import type { Fields } from "schemascript";
export const shared = (prop: Fields) => ({ name: prop.text().unique() });
`;

/** With a module of its own, by a path of its tsconfig, and packages. */
function project() {
  write("schema.ts", USERS);
  write("shared.ts", SHARED);
  write("tsconfig.json", '{ "compilerOptions": { "paths": { "@/*": ["./*"] } } }');
}

test("sql prints statements that make the tables", () => {
  project();
  const { status, stdout, stderr } = schemascript("sql", "schema.ts");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const sqlite = new Database(":memory:");
  sqlite.exec(stdout);
  sqlite.exec("INSERT INTO users(name) VALUES ('ada')");
  expect(() => sqlite.exec("INSERT INTO users(name) VALUES ('ada')")).toThrow("UNIQUE");
  expect(readdirSync(folder).sort()).toEqual(["schema.ts", "shared.ts", "tsconfig.json"]);
});

test("migrate adds to the folder, and asks for what it must not decide", () => {
  project();
  expect(schemascript("migrate", "schema.ts")).toMatchObject({ status: 0, stdout: "drizzle/0000_init.sql\n" });
  expect(schemascript("migrate", "schema.ts")).toMatchObject({ status: 0, stdout: "the schema has not changed\n" });

  write("shared.ts", SHARED.replace("name:", "fullName:").replace(".unique()", ".unique(), age: prop.integer()"));
  const refused = schemascript("migrate", "schema.ts");
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(
    "schemascript: users.age is new, required and has no default: say what the rows that exist have there, with --set users.age=<SQL>\n",
  );
  expect(refused.stderr).toContain(
    "if it has another name in users now, --rename users.name=fullName or --rename users.name=age\n",
  );
  expect(existsSync(join(folder, "drizzle/0001_change.sql"))).toBe(false);

  const decided = [
    "migrate",
    "schema.ts",
    "--rename",
    "users.name=fullName",
    "--set",
    "users.age=length(fullName)",
    "--name",
    "ages",
  ];
  expect(schemascript(...decided, "--dry-run").stdout).toContain('RENAME COLUMN "name" TO "fullName";\n');
  expect(schemascript(...decided)).toMatchObject({
    status: 0,
    stdout: "drizzle/0001_ages.sql\n",
    stderr: expect.stringMatching(/^note: users is rebuilt/),
  });
  const sqlite = new Database(":memory:");
  const apply = (tag: string) => sqlite.exec(readFileSync(join(folder, "drizzle", `${tag}.sql`), "utf8"));
  apply("0000_init");
  sqlite.exec("INSERT INTO users(name) VALUES ('ada')");
  apply("0001_ages");
  expect(sqlite.prepare("SELECT * FROM users").all()).toEqual([{ id: 1, fullName: "ada", age: 3 }]);
});

test.each([
  [["--help"], 0, ""],
  [[], 0, ""],
  [["frobnicate"], 2, "schemascript: there is no command frobnicate; schemascript --help lists them\n"],
  [["sql"], 2, "schemascript: schemascript sql needs a file, as in: schemascript sql schema.ts\n"],
  [["sql", "a.ts", "b.ts"], 2, "schemascript: schemascript sql takes one file; what is b.ts?\n"],
  [["sql", "a.ts", "--out", "x"], 2, "schemascript: schemascript sql has no option --out\n"],
  [["migrate", "ok.ts", "--rename", "x"], 2, "schemascript: --rename x: it has to be --rename <name>=<value>\n"],
  [["sql", "missing.ts"], 1, "schemascript: there is no file missing.ts\n"],
  [
    ["sql", "empty.ts"],
    1,
    'schemascript: empty.ts exports no tables; a table is exported with: export const Users = Table("users", …)\n',
  ],
  [["sql", "syntax.ts"], 1, 'schemascript: syntax.ts:1: Expected identifier but found "="\n'],
  [["sql", "throws.ts"], 1, "schemascript: throws.ts fails: the table t has no properties\n"],
  [["sql", "import.ts"], 1, 'schemascript: import.ts:1: Could not resolve "./nothing"\n'],
])("%j", (args, status, stderr) => {
  write("empty.ts", "export const x = 1;");
  write("ok.ts", 'import { Table } from "schemascript"; export const T = Table("t", (p) => ({ id: p.text() }));');
  write("syntax.ts", "const = 1;");
  write("throws.ts", 'import { Table } from "schemascript"; export const T = Table("t", () => ({}));');
  write("import.ts", 'export * from "./nothing";');
  const done = schemascript(...args);
  expect({ status: done.status, stderr: done.stderr }).toEqual({ status, stderr });
  if (status === 0) expect(done.stdout).toContain("schemascript sql <schema.ts>");
});

test("an unknown option is a sentence, too", () => {
  expect(schemascript("sql", "x.ts", "--frob").stderr).toMatch(/^schemascript: Unknown option '--frob'/);
});
