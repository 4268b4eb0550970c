/**
 * Errors as text, with places in the program's own files.
 *
 * `native.lines` is the table of the bundle's lines that `schemascript build` makes: JSON `{"files": [name], "lines": [file, line, ...]}`,
 * a pair for each line of the bundle, file -1 where there is none.
 */

import { native } from "./native.js";
import { show } from "./show.js";

interface Table {
  files: string[];
  lines: number[];
}

let table: Table | undefined;

function place(line: number): string | undefined {
  table ??= (native.lines ? JSON.parse(native.lines) : { files: [], lines: [] }) as Table;
  const file = table.files[table.lines[2 * (line - 1)] ?? -1];
  return file === undefined ? undefined : `${file}:${table.lines[2 * (line - 1) + 1]}`;
}

/** The frames of a stack, without those of the prelude, in places of the program. */
function frames(error: Error): string[] {
  return String(error.stack ?? "")
    .split("\n")
    .filter((frame) => frame.trim() !== "" && !frame.includes("prelude.js:"))
    .map((frame) => frame.replace(/app\.js:(\d+):\d+/, (all, line) => place(Number(line)) ?? all));
}

function name(error: Error): string {
  return error.message === "" ? error.name : `${error.name}: ${error.message}`;
}

native.describe = (error) => {
  if (!(error instanceof Error)) return `Uncaught ${show(error)}`;
  const lines = [name(error), ...frames(error)];
  if (error.cause !== undefined) lines.push(`  caused by ${native.describe(error.cause)}`);
  return lines.join("\n");
};

/** The causes are what happened: a query of Drizzle's that failed says only that it did. */
function reasons(error: unknown): string {
  if (!(error instanceof Error)) return show(error);
  const own = error.name === "Error" || error.name === "SqliteError" ? error.message : name(error);
  return error.cause === undefined ? own : `${own}: ${reasons(error.cause)}`;
}

/** The first place that is the program's own. */
native.sentence = (error) => {
  const own = error instanceof Error && frames(error).find((frame) => !/node_modules|app\.js|\(native\)/.test(frame));
  return own ? `${reasons(error)} (${own.trim()})` : reasons(error);
};
