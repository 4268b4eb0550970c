/**
 * Random pairs of schemas, with rows: the migrated database has the schema of a fresh one, and each row still has what it had in
 * each column that was not said to change.
 */

import Database from "better-sqlite3";
import { sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type AnyProperty, type AnySQLiteColumn, type Fields, Table } from "../src/index.js";
import { createStatements, type Decisions, migration, snapshot } from "../src/sql/index.js";
import { rows, run } from "./database.js";
import { schemaOf } from "./schema-of.js";

const RUNS = Number(process.env["MIGRATIONS"] ?? 300);

const TYPES = ["integer", "real", "text", "blob", "boolean", "enum"] as const;
type Type = (typeof TYPES)[number];

interface ColumnPlan {
  type: Type;
  optional: boolean;
  unique: boolean;
  default: "none" | "value" | "expression";
  options: readonly string[];
}
interface ReferencePlan {
  to: string;
  action: "cascade" | "set null" | "restrict" | "no action";
  required: boolean;
}
interface TablePlan {
  autoIncrement: boolean;
  columns: Record<string, ColumnPlan>;
  references: Record<string, ReferencePlan>;
}
type Plan = Record<string, TablePlan>;

const TABLES = ["a", "b", "c", "d"];

const column: fc.Arbitrary<ColumnPlan> = fc.record({
  type: fc.constantFrom(...TYPES),
  optional: fc.boolean(),
  unique: fc.boolean(),
  default: fc.constantFrom("none", "none", "value", "expression"),
  options: fc.constantFrom(["x"], ["x", "y"], ["x", "y", "z's"]),
});

const reference: fc.Arbitrary<ReferencePlan> = fc.record({
  to: fc.constantFrom(...TABLES),
  action: fc.constantFrom("cascade", "set null", "restrict", "no action"),
  required: fc.boolean(),
});

const some = <T>(names: string[], value: fc.Arbitrary<T>, minKeys: number) =>
  fc.dictionary(fc.constantFrom(...names), value, { minKeys, maxKeys: names.length, noNullPrototype: true });

const plan: fc.Arbitrary<Plan> = some(
  TABLES,
  fc.record({
    autoIncrement: fc.boolean(),
    columns: some(["p", "q", "r", "s"], column, 0),
    references: some(["u", "v"], reference, 0),
  }),
  0,
).map((tables) =>
  // References to tables that are not there are left out; required ones go to tables before, so that rows can be inserted.
  mapValues(tables, (table, name) => ({
    ...table,
    references: Object.fromEntries(
      Object.entries(table.references)
        .filter(([, { to }]) => tables[to])
        .map(([key, reference]) => [key, { ...reference, required: reference.required && reference.to < name }]),
    ),
  })),
);

function mapValues<T>(object: Record<string, T>, change: (value: T, key: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}

/** SQL for a value of row `n` (SQL, too). Values that may be unique are different in each row, and some are what SQLite could get wrong. */
const VALUES: Record<Type, (n: string) => string> = {
  integer: (n) => `9007199254740993 + ${n}`,
  real: (n) => `${n} + 0.5`,
  text: (n) => `'00' || ${n}`,
  blob: (n) => `cast(${n} || 'é' as blob)`,
  boolean: (n) => `${n} % 2`,
  enum: () => "'x'",
};

const DEFAULTS = { integer: 7, real: 0.25, text: "it's", blob: new Uint8Array([1]), boolean: true, enum: "x" };

const isUnique = (column: ColumnPlan) =>
  column.unique && column.default === "none" && column.type !== "boolean" && column.type !== "enum";

function property(prop: Fields, plan: ColumnPlan): AnyProperty {
  let made: AnyProperty = plan.type === "enum" ? prop.enum({ options: plan.options as [string] }) : prop[plan.type]();
  if (plan.optional) made = made.optional();
  if (isUnique(plan)) made = made.unique();
  const literal = VALUES[plan.type]("3");
  if (plan.default === "value") made = made.default(DEFAULTS[plan.type]);
  if (plan.default === "expression") made = made.default(sql.raw(literal));
  return made;
}

function tables(plan: Plan): SQLiteTable[] {
  const made: Record<string, SQLiteTable> = {};
  for (const [name, { autoIncrement, columns, references }] of Object.entries(plan)) {
    made[name] = Table(name, (prop) => ({
      id: prop.integer().identifier({ autoIncrement }),
      ...Object.fromEntries(Object.entries(columns).map(([key, column]) => [key, property(prop, column)])),
      ...Object.fromEntries(
        Object.entries(references).map(([key, { to, action, required }]) => {
          const target = () => (made[to] as unknown as { id: AnySQLiteColumn }).id;
          const made_ = prop.integer().references(target, { onDelete: action });
          return [key, required ? made_ : made_.optional()];
        }),
      ),
    })) as unknown as SQLiteTable;
  }
  return Object.values(made);
}

const ROWS = 3;

/** Rows 1 to 3 in each table; what they refer to, and what is NULL, differs by row. */
function fill(sqlite: Database.Database, plan: Plan): void {
  const statements = Object.entries(plan).flatMap(([name, { columns, references }]) =>
    [1, 2, 3].map((n) => {
      const values = {
        id: String(n),
        ...Object.fromEntries(
          Object.entries(columns).map(([key, column]) => [
            key,
            column.optional && n === 2
              ? "NULL"
              : column.type === "enum"
                ? `'${(column.options[n % column.options.length] as string).replaceAll("'", "''")}'`
                : VALUES[column.type](String(n)),
          ]),
        ),
        ...Object.fromEntries(
          Object.entries(references).map(([key, { required }], at) => [
            key,
            !required && n === 1 ? "NULL" : String(1 + ((n + at) % ROWS)),
          ]),
        ),
      };
      return `INSERT INTO ${name}(${Object.keys(values).join(", ")}) VALUES (${Object.values(values).join(", ")})`;
    }),
  );
  sqlite.exec(["BEGIN; PRAGMA defer_foreign_keys = ON", ...statements, "COMMIT"].join(";\n"));
}

interface Change {
  decisions: Required<Decisions>;
  /** What has to be as it was: [new table, new column, old table, old column]. */
  kept: [string, string, string, string][];
}

/** The decisions that a change needs. With `rename`, what is gone is what is new, where that is possible. */
function decide(from: Plan, to: Plan, rename: boolean): Change {
  const decisions: Required<Decisions> = { rename: {}, drop: [], set: {} };
  const drop: string[] = [];
  const kept: Change["kept"] = [];
  const gone = Object.keys(from).filter((name) => !to[name]);
  const fresh = Object.keys(to).filter((name) => !from[name]);
  for (const name of gone) {
    const target = rename ? fresh.shift() : undefined;
    if (target) decisions.rename[name] = target;
    else drop.push(name);
  }
  for (const [name, old] of Object.entries(from)) {
    const table = decisions.rename[name] ?? name;
    const now = to[table];
    if (!now) continue;
    const renames = new Map<string, string>();
    const oldNames = [...Object.keys(old.columns), ...Object.keys(old.references)];
    const newNames = [...Object.keys(now.columns), ...Object.keys(now.references)];
    const free = Object.keys(now.columns).filter((key) => !oldNames.includes(key));
    for (const key of oldNames.filter((key) => !newNames.includes(key))) {
      const target = rename && old.columns[key] ? free.shift() : undefined;
      if (target === undefined) drop.push(`${table}.${key}`);
      else {
        renames.set(key, target);
        decisions.rename[`${name}.${key}`] = target;
      }
    }
    kept.push([table, "id", name, "id"]);
    const source = new Map([...oldNames.map((key) => [renames.get(key) ?? key, key] as const)]);
    for (const [key, column] of Object.entries(now.columns)) {
      const before = old.columns[source.get(key) ?? ""];
      const value = setFor(key, before, column, old.references[key] !== undefined);
      if (value !== undefined) decisions.set[`${table}.${key}`] = value;
      else if (before) kept.push([table, key, name, source.get(key) as string]);
    }
    for (const [key, { required }] of Object.entries(now.references)) {
      // What it refers to may be another table now, which has the same rows.
      if (old.columns[key] || (required && !old.references[key]))
        decisions.set[`${table}.${key}`] = required ? "1" : "NULL";
      else if (required && !(old.references[key] as ReferencePlan).required)
        decisions.set[`${table}.${key}`] = `coalesce("${key}", 1)`;
      else if (old.references[key]) kept.push([table, key, name, key]);
    }
  }
  return { decisions: { ...decisions, drop }, kept };
}

const AFFINITY: Record<Type, string> = {
  integer: "integer",
  boolean: "integer",
  real: "real",
  text: "text",
  enum: "text",
  blob: "blob",
};

/** What has to be said of a column's values, if anything. */
function setFor(
  key: string,
  before: ColumnPlan | undefined,
  column: ColumnPlan,
  wasReference: boolean,
): string | undefined {
  const fresh = VALUES[column.type]('"id"');
  if (wasReference) return fresh;
  if (!before) return column.default === "none" && !column.optional ? fresh : undefined;
  const changed = AFFINITY[before.type] !== AFFINITY[column.type];
  const narrower =
    (column.type === "boolean" && before.type !== "boolean") ||
    (column.type === "enum" &&
      (before.type !== "enum" || !before.options.every((option) => column.options.includes(option))));
  if (changed || narrower) return fresh;
  if (isUnique(column) && before.type !== column.type) return fresh;
  return before.optional && !column.optional ? `coalesce("${key}", ${fresh})` : undefined;
}

const pick = (sqlite: Database.Database, table: string, column: string) =>
  rows(sqlite, `SELECT id, typeof("${column}") AS type, quote("${column}") AS value FROM "${table}" ORDER BY id`);

/** Whether references hold after a migration that does not look at them. */
function isSound(sqlite: Database.Database, statements: string[]): boolean {
  const copy = new Database(sqlite.serialize());
  copy.pragma("foreign_keys = OFF");
  run(copy, statements);
  return (copy.pragma("foreign_key_check") as unknown[]).length === 0;
}

/** Whether tables refer to each other, in however many steps. */
function hasCircle(plan: Plan): boolean {
  const reach = (name: string, seen: string[]): boolean =>
    Object.values(plan[name]?.references ?? {}).some(
      ({ to }) => to !== name && (seen.includes(to) || reach(to, [...seen, to])),
    );
  return Object.keys(plan).some((name) => reach(name, [name]));
}

test("random migrations", () => {
  let rebuilt = 0;
  let refused = 0;
  fc.assert(
    fc.property(plan, plan, fc.boolean(), fc.boolean(), (from, to, rename, enforced) => {
      const sqlite = new Database(":memory:");
      sqlite.pragma(`foreign_keys = ${enforced ? "ON" : "OFF"}`);
      run(sqlite, createStatements(tables(from)));
      fill(sqlite, from);
      const { decisions, kept } = decide(from, to, rename);
      const before = kept.map(([, , table, column]) => pick(sqlite, table, column));
      const { statements } = migration(snapshot(tables(from)), snapshot(tables(to)), decisions);
      rebuilt += statements.filter((statement) => statement.includes("RENAME TO")).length;
      const migrate = sqlite.transaction(() => run(sqlite, statements));
      if (enforced && !isSound(sqlite, statements)) {
        // A table refers to another than before, which has not its rows: then nothing happens at all.
        expect(migrate).toThrow();
        expect(kept.map(([, , table, column]) => pick(sqlite, table, column))).toEqual(before);
        return;
      }
      try {
        migrate();
      } catch (error) {
        // Some circles of tables SQLite does not drop while foreign keys are enforced: then, too, nothing happens.
        if (!enforced || !hasCircle(from)) throw error;
        refused += 1;
        expect(kept.map(([, , table, column]) => pick(sqlite, table, column))).toEqual(before);
        sqlite.pragma("foreign_keys = OFF");
        migrate();
      }
      const fresh = new Database(":memory:");
      run(fresh, createStatements(tables(to)));
      expect(schemaOf(sqlite)).toEqual(schemaOf(fresh));
      expect(kept.map(([table, column]) => pick(sqlite, table, column))).toEqual(before);
      expect(sqlite.pragma("integrity_check")).toEqual([{ integrity_check: "ok" }]);
    }),
    { numRuns: RUNS },
  );
  expect(rebuilt).toBeGreaterThan(RUNS / 10);
  expect(refused).toBeLessThan(RUNS / 20);
});
