/** console: log, info and debug to the standard output, warn, error and trace to the standard error. */

import { globals, native } from "./native.js";
import { show } from "./show.js";

function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Error ? native.describe(value) : show(value);
}

const FORMATS: Record<string, (value: unknown) => string> = {
  s: (value) => (typeof value === "object" && value !== null ? show(value) : String(value)),
  d: (value) => String(typeof value === "bigint" ? value : Number(value)),
  i: (value) => String(typeof value === "bigint" ? value : Math.trunc(Number(value))),
  f: (value) => String(Number(value)),
  j: (value) => JSON.stringify(value),
  o: show,
  O: show,
};

/** https://console.spec.whatwg.org/#formatter, without styles. */
function format(values: unknown[]): string {
  const [first, ...others] = values;
  if (typeof first !== "string" || others.length === 0) return values.map(text).join(" ");
  const filled = first.replace(/%([sdifjoOc%])/g, (all, kind: string) => {
    if (kind === "%") return "%";
    if (others.length === 0) return all;
    const value = others.shift();
    return FORMATS[kind]?.(value) ?? "";
  });
  return [filled, ...others.map(text)].join(" ");
}

let indent = "";

const print = (file: 1 | 2) => (...values: unknown[]) => {
  const lines = format(values).toWellFormed();
  native.write(file, `${indent}${indent ? lines.replaceAll("\n", `\n${indent}`) : lines}\n`);
};

const out = print(1);
const error = print(2);
const counts = new Map<string, number>();
const begun = new Map<string, number>();

globals({
  console: {
    log: out,
    info: out,
    debug: out,
    dir: out,
    table: out,
    warn: error,
    error,
    trace: (...values: unknown[]) => error(`Trace: ${format(values)}`),
    assert(condition: unknown, ...values: unknown[]) {
      if (!condition) error(["Assertion failed", format(values)].filter(Boolean).join(": "));
    },
    group(...values: unknown[]) {
      if (values.length > 0) out(...values);
      indent += "  ";
    },
    groupEnd() {
      indent = indent.slice(2);
    },
    count(label = "default") {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      out(`${label}: ${counts.get(label)}`);
    },
    countReset: (label = "default") => void counts.delete(label),
    time: (label = "default") => void begun.set(label, native.now()),
    timeEnd(label = "default") {
      const start = begun.get(label);
      if (start !== undefined) out(`${label}: ${(native.now() - start).toFixed(3)} ms`);
      begun.delete(label);
    },
  },
});
