/**
 * Drizzle as it is bundled: some functions of which each query consists are in C (`runtime/src/drizzle.c`, `query.c`, `parts.c`, `rows.c`).
 * They mean the same. A file that is not, to the byte, the one they were written for is left as it is, and is only slower.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Plugin } from "esbuild";

/** A line of a file, and what stands in its place. What Drizzle has itself stays, under another name where nothing needs it. */
type Change = readonly [line: string, instead: string];

interface Changed {
  /** Of the file as it is known. */
  sha256: string;
  changes: readonly Change[];
}

const NATIVE = "globalThis.__sqlproxy.drizzle";

/** By path in drizzle-orm 0.45. */
export const CHANGED: Record<string, Changed> = {
  "entity.js": {
    sha256: "9024b501ecb09d3e6cb8fe1d25e16533544cdf69849da846f0a149d8289f1f44",
    changes: [["function is(value, type) {", `const is = ${NATIVE}.is;\nfunction isSlowly(value, type) {`]],
  },
  "sql/sql.js": {
    sha256: "dbabfc58b93ef1e8e57059baf6ee63df958aab5d64eaa9b84e92ff531b6100f1",
    changes: [
      [
        "  buildQueryFromSourceParams(chunks, _config) {",
        "  buildQueryFromSourceParams(chunks, _config) {\n    const built = buildQuery(this, chunks, _config);\n    if (built !== void 0) return built;",
      ],
      [
        "function sql(strings, ...params) {",
        `const buildQuery = ${NATIVE}.build;\nlet sql = ${NATIVE}.template(new StringChunk(""), new SQL([]));\nfunction sqlSlowly(strings, ...params) {`,
      ],
    ],
  },
  "utils.js": {
    sha256: "6363d99f639c5d7c19d4862d5126f7e9e6148fd7f226de5407e1d4fb9f2ecdae",
    changes: [
      ["function mapResultRow(columns, row, joinsNotNullableMap) {", `const mapResultRow = ${NATIVE}.row;\nfunction mapResultRowSlowly(columns, row, joinsNotNullableMap) {`],
      [
        "function orderSelectedFields(fields, pathPrefix) {",
        `const fieldsInOrder = ${NATIVE}.fields;\nfunction orderSelectedFields(fields, pathPrefix) {\n  const ordered = fieldsInOrder(fields, pathPrefix);\n  if (ordered !== void 0) return ordered;`,
      ],
    ],
  },
  "sqlite-core/dialect.js": {
    sha256: "bdfdc50408b0b175b413692fcc49c13f9ebcffc41805b7159a9022328aee281f",
    changes: [
      [
        "class SQLiteDialect {",
        `const noSQL = sql.raw("");\nconst selectionOfColumns = ${NATIVE}.selection(noSQL.queryChunks[0], noSQL, sql.identifier(""));\nclass SQLiteDialect {`,
      ],
      [
        "  buildSelection(fields, { isSingleTable = false } = {}) {",
        "  buildSelection(fields, { isSingleTable = false } = {}) {\n    const selection = selectionOfColumns(this.casing, fields, isSingleTable);\n    if (selection !== void 0) return selection;",
      ],
      ["    for (const f of fieldsList) {", `    for (const f of ${NATIVE}.others(fieldsList, table)) {`],
      [
        "class SQLiteSyncDialect extends SQLiteDialect {",
        `${NATIVE}.dialect(SQLiteDialect.prototype.escapeName, SQLiteDialect.prototype.escapeParam);\nclass SQLiteSyncDialect extends SQLiteDialect {`,
      ],
    ],
  },
};

export const drizzle: Plugin = {
  name: "drizzle",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]drizzle-orm[/\\].*\.js$/ }, async ({ path }) => {
      const file = path.replaceAll("\\", "/").replace(/^.*\/drizzle-orm\//, "");
      return file in CHANGED ? { contents: changed(file, await readFile(path, "utf8")) } : undefined;
    });
  },
};

/** `text` of Drizzle's `file`, with its changes if it is known. */
export function changed(file: string, text: string): string {
  const known = CHANGED[file];
  if (!known || createHash("sha256").update(text).digest("hex") !== known.sha256) return text;
  return known.changes.reduce((result, [line, instead]) => result.replace(`${line}\n`, () => `${instead}\n`), text);
}
