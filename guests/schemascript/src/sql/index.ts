/** Schemas as SQL: CREATE statements, and migrations from one schema to another. Runs anywhere, also inside the database. */

export { type Decisions, type Migration, MigrationError, migration } from "./migration.js";
export { emptySnapshot, type Snapshot, snapshot, type Tables } from "./snapshot.js";
export { createSchema, createStatements } from "./statements.js";
