/**
 * Drizzle's migrations without its reader of files: they are part of the program.
 *
 *     import migrations from "./drizzle/migrations";
 *     await migrate(db, migrations);
 *
 * The table and the hashes are those of Drizzle's other migrators, so that one can go on where another has stopped.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { sql } from "drizzle-orm";
import type { Database } from "./drizzle.js";

/** `meta/_journal.json` of the folder that `schemascript migrate` and drizzle-kit write. */
export interface Journal {
  entries: { idx: number; when: number; tag: string; breakpoints: boolean }[];
}

export interface Migrations {
  journal: Journal;
  /** The text of each file, by its tag; drizzle-kit has `m0000` for the first. */
  migrations: Record<string, string>;
}

const BREAKPOINT = "--> statement-breakpoint";

/** SQLite ignores it inside a transaction, in which migrations run; guests have no PRAGMA that sets anything. */
const FOREIGN_KEYS = /^\s*PRAGMA\s+foreign_keys\s*=\s*\w+\s*;?\s*$/i;

/** Applies what has not been applied, in one transaction. */
export async function migrate<Schema extends Record<string, unknown>>(
  db: Database<Schema>,
  { journal, migrations }: Migrations,
  { migrationsTable = "__drizzle_migrations" }: { migrationsTable?: string } = {},
): Promise<void> {
  const table = sql.identifier(migrationsTable);
  await db.transaction(async (tx) => {
    await tx.run(sql`CREATE TABLE IF NOT EXISTS ${table} (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)`);
    const last = (await tx.values<[unknown]>(sql`SELECT created_at FROM ${table} ORDER BY created_at DESC LIMIT 1`))[0];
    for (const entry of journal.entries) {
      if (last && Number(last[0]) >= entry.when) continue;
      const text = textOf(migrations, entry);
      for (const statement of statements(text)) await tx.run(sql.raw(statement));
      await tx.run(sql`INSERT INTO ${table} ("hash", "created_at") VALUES (${bytesToHex(sha256(new TextEncoder().encode(text)))}, ${entry.when})`);
    }
  });
}

function textOf(migrations: Record<string, string>, { tag, idx }: Journal["entries"][number]): string {
  const text = migrations[tag] ?? migrations[`m${String(idx).padStart(4, "0")}`];
  if (text === undefined) throw new Error(`the journal has a migration ${tag}, but there is no file ${tag}.sql`);
  return text;
}

function statements(text: string): string[] {
  return text.split(BREAKPOINT).filter((statement) => statement.trim() !== "" && !FOREIGN_KEYS.test(statement));
}
