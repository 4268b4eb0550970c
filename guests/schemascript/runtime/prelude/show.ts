/** Values as console.log shows them, from https://www.npmjs.com/package/object-inspect. */

import inspect from "object-inspect";

const DEPTH = 5;

export function show(value: unknown): string {
  return inspect(value, { depth: DEPTH, quoteStyle: "single", maxStringLength: Infinity });
}
