import { expect, test } from "vitest";
import { type Fields, type Property, Table, value } from "../src/index.js";
import { createStatements } from "../src/sql/index.js";

/** `prop`, taken out of a table's function. */
const prop = (() => {
  let taken: Fields | undefined;
  Table("t", (fields) => {
    taken = fields;
    return { id: fields.integer() };
  });
  return taken as Fields;
})();

const Users = Table("users", () => ({ id: prop.integer().identifier() }));

type Any = Property<any>;
const modifiers: [string, (property: Any) => Any, Record<string, unknown>][] = [
  ["optional", (property) => property.optional(), { optional: true }],
  ["unique", (property) => property.unique(), { unique: true }],
  ["default", (property) => property.default(1), { default: 1 }],
  ["identifier", (property) => property.identifier(), { identifier: true }],
  ["references", (property) => property.references(() => Users.id, { onDelete: "cascade" }), {}],
  ["array", (property) => property.array(), { kind: "array" }],
];

test.each(modifiers)("%s returns a new property and leaves the old one as it was", (_, modify, change) => {
  const before = prop.integer("n");
  const definition = { ...before.definition };
  const after = modify(before);
  expect(after).not.toBe(before);
  expect(before.definition).toEqual(definition);
  expect(after.definition).toMatchObject(change);
  expect(modify(before)).not.toBe(after);
});

test("properties, definitions and prop are frozen", () => {
  const property = prop.integer().references(() => Users.id, { onDelete: "cascade" });
  expect(Object.isFrozen(property)).toBe(true);
  expect(Object.isFrozen(property.definition)).toBe(true);
  expect(Object.isFrozen(property.definition.references?.actions)).toBe(true);
  expect(Object.isFrozen(prop)).toBe(true);
  expect(Object.isFrozen(prop.enum({ options: ["a"] }).definition.options)).toBe(true);
});

test("what is given cannot be changed afterwards", () => {
  const actions: { onDelete?: "cascade" | "restrict" } = { onDelete: "cascade" };
  const options: [string, ...string[]] = ["a", "b"];
  const property = prop.enum({ options }).references(() => Users.id, actions);
  actions.onDelete = "restrict";
  options.push("c");
  expect(property.definition.references?.actions).toEqual({ onDelete: "cascade" });
  expect(property.definition.options).toEqual(["a", "b"]);
});

test("a property can be shared and refined", () => {
  const name = prop.text();
  const Tags = Table("tags", () => ({ name, short: name.optional(), key: name.unique() }));
  expect(createStatements([Tags])).toEqual([
    'CREATE TABLE "tags" (\n\t"name" text NOT NULL,\n\t"short" text,\n\t"key" text NOT NULL\n);',
    'CREATE UNIQUE INDEX "tags_key_unique" ON "tags" ("key");',
  ]);
});

test("properties are required, and called as their keys are", () => {
  expect(createStatements([Table("t", (prop) => ({ someName: prop.text(), other: prop.text("other_name") }))])).toEqual(
    ['CREATE TABLE "t" (\n\t"someName" text NOT NULL,\n\t"other_name" text NOT NULL\n);'],
  );
});

const wrong: [string, () => unknown, string][] = [
  ["an optional identifier", () => prop.integer().identifier().optional(), "an identifier cannot be optional"],
  ["an identifier that is optional", () => prop.integer().optional().identifier(), "an identifier cannot be optional"],
  [
    "autoIncrement of a text",
    () => (prop.text() as Any).identifier({ autoIncrement: true }),
    "autoIncrement is for integer properties, not for text",
  ],
  ["a boolean identifier", () => prop.boolean().identifier(), "a property of type boolean cannot be an identifier"],
  ["an array of identifiers", () => prop.text().identifier().array(), "cannot be an identifier"],
  ["array after default", () => prop.text().default("x").array(), "array() comes before default()"],
  ["no default", () => (prop.text() as Any).default(undefined), "default() needs a value"],
  [
    "a time in a blob",
    () => (prop.blob() as Any).default(value.now()),
    "value.now() is a default of integer, real, datetime and text properties, not of blob",
  ],
  ["an enum without options", () => prop.enum({ options: [] as never }), "enum() needs options"],
  [
    "an enum with an option twice",
    () => prop.enum({ options: ["a", "a"] }),
    "the options of an enum are not all different: a, a",
  ],
  [
    "an enum of fractions",
    () => prop.enum({ options: { half: 0.5 } }),
    "the option half of an enum is neither a text nor an integer",
  ],
  ["a custom type without a type", () => prop.custom(" "), "custom() needs the column's type in SQL"],
  ["a table without a name", () => Table("", (prop) => ({ id: prop.integer() })), "a table needs a name"],
  [
    "a table of SQLite's",
    () => Table("sqlite_x", (prop) => ({ id: prop.integer() })),
    "SQLite keeps names with sqlite_ to itself",
  ],
  ["an empty table", () => Table("t", () => ({})), "the table t has no properties"],
  ["something else", () => Table("t", () => ({ id: 1 as never })), "t.id is no property; make one with prop"],
  [
    "a column twice",
    () => Table("t", (prop) => ({ a: prop.text("x"), b: prop.text("X") })),
    "t.a and t.b are both the column X",
  ],
  ["an empty name", () => Table("t", (prop) => ({ a: prop.text("") })), "t.a has an empty name"],
  [
    "a name of Drizzle's",
    () => Table("t", (prop) => ({ getSQL: prop.text() })),
    "t.getSQL: Drizzle's tables have something of that name",
  ],
  [
    "two identifiers",
    () => Table("t", (prop) => ({ a: prop.text().identifier(), b: prop.text().identifier() })),
    "the table t has more than one identifier (a, b)",
  ],
];

test.each(wrong)("%s is an error that says so", (_, make, message) => {
  expect(make).toThrow(message);
  expect(make).toThrow(TypeError);
});
