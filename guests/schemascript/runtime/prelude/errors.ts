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

/** Packages, this one's own part of a program, the engine: not what whoever reads an error has written. */
const FOREIGN = /node_modules\/|\/runtime\/(?:drizzle|host|json|migrate|serve)\.[jt]s:|app\.js:|\(native\)/;

/** The frames of a stack, in places of the program; those of its own files, if it has any. */
function frames(error: Error): string[] {
  const all = String(error.stack ?? "")
    .split("\n")
    .filter((frame) => frame.trim() !== "" && !frame.includes("prelude.js:"))
    .map((frame) => frame.replace(/app\.js:(\d+):\d+/, (here, line) => place(Number(line)) ?? here));
  const own = all.filter((frame) => !FOREIGN.test(frame));
  return own.length > 0 ? own : all;
}

function name(error: Error): string {
  return error.message === "" ? error.name : `${error.name}: ${error.message}`;
}

/** With the stack. A cause has the message only: where it came from is where the error came from. */
native.describe = (error) => {
  if (!(error instanceof Error)) return `Uncaught ${show(error)}`;
  return [name(error), ...frames(error), ...causes(error)].join("\n");
};

function causes({ cause }: Error): string[] {
  if (cause === undefined) return [];
  return cause instanceof Error ? [`  caused by ${name(cause)}`, ...causes(cause)] : [`  caused by ${show(cause)}`];
}

/** The causes are what happened: a query of Drizzle's that failed says only that it did. */
function reasons(error: unknown): string {
  if (!(error instanceof Error)) return show(error);
  const own = error.name === "Error" || error.name === "SqliteError" ? error.message : name(error);
  return error.cause === undefined ? own : `${own}: ${reasons(error.cause)}`;
}

/** In one line, with the first place that is the program's own. */
native.sentence = (error) => {
  const own = error instanceof Error && frames(error).find((frame) => !FOREIGN.test(frame));
  return own ? `${reasons(error)} (${own.trim()})` : reasons(error);
};
