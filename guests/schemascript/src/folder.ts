/**
 * Drizzle's folder of migrations: `meta/_journal.json`, `NNNN_name.sql`, `meta/NNNN_snapshot.json`. Drizzle's migrators and drizzle-kit
 * read it, and the runtime inside the database.
 */

import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { emptySnapshot, type Snapshot } from "./sql/snapshot.js";

const BREAKPOINT = "--> statement-breakpoint";

interface Journal {
  version: string;
  dialect: string;
  entries: { idx: number; version: string; when: number; tag: string; breakpoints: boolean }[];
}

const number = (index: number): string => String(index).padStart(4, "0");

/** The schema after the last migration in `folder`; an empty one if there is none. */
export function lastSnapshot(folder: string): Snapshot {
  const last = readJournal(folder).entries.at(-1);
  if (!last) return emptySnapshot();
  const path = join(folder, "meta", `${number(last.idx)}_snapshot.json`);
  const snapshot = readJson(path) as Snapshot;
  if (snapshot.version !== "6" || snapshot.dialect !== "sqlite") {
    throw new Error(
      `${path} has version ${snapshot.version} for ${snapshot.dialect}: version 6 for sqlite is needed (drizzle-kit up converts old ones)`,
    );
  }
  return { ...emptySnapshot(), ...snapshot };
}

/**
 * Adds a migration to `folder`, which is made if it is not there.
 *
 * @returns the path of the SQL file
 */
export function addMigration(folder: string, name: string, statements: string[], after: Snapshot, now: Date): string {
  const unfit = statements.find((statement) => statement.includes(BREAKPOINT));
  if (unfit)
    throw new Error(`a statement has ${BREAKPOINT} in it, which separates statements in Drizzle's files: ${unfit}`);
  const journal = readJournal(folder);
  const previous = journal.entries.at(-1);
  const idx = previous ? previous.idx + 1 : 0;
  const tag = `${number(idx)}_${name.replace(/[^A-Za-z0-9_-]+/g, "_")}`;
  // Drizzle applies what is newer than the newest it has applied.
  const when = Math.max(now.getTime(), (previous?.when ?? 0) + 1);
  const path = join(folder, `${tag}.sql`);
  mkdirSync(join(folder, "meta"), { recursive: true });
  writeFileSync(path, `${statements.join(`\n${BREAKPOINT}\n`)}\n`, { flag: "wx" });
  writeJson(join(folder, "meta", `${number(idx)}_snapshot.json`), {
    ...after,
    id: randomUUID(),
    prevId: lastSnapshot(folder).id,
  });
  writeJson(join(folder, "meta", "_journal.json"), {
    ...journal,
    entries: [...journal.entries, { idx, version: "6", when, tag, breakpoints: true }],
  });
  return path;
}

function readJournal(folder: string): Journal {
  const path = join(folder, "meta", "_journal.json");
  if (!existsSync(path)) return { version: "7", dialect: "sqlite", entries: [] };
  const journal = readJson(path) as Journal;
  if (journal.dialect !== "sqlite") throw new Error(`${path} is for ${journal.dialect}, not for sqlite`);
  return journal;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

const writeJson = (path: string, value: unknown): void => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
