/** Values as console.log shows them, from https://www.npmjs.com/package/object-inspect. */

import inspect from "object-inspect";

const DEPTH = 5;
const LINE = 80;
/** Most bytes of a blob that are shown. */
const BYTES = 50;

export function show(value: unknown): string {
  return inspect(value, { depth: DEPTH, quoteStyle: "single", maxStringLength: Infinity, breakLength: LINE } as inspect.Options);
}

/** object-inspect asks objects for a method of this name. */
Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), "inspect", {
  value: function (this: Uint8Array): string {
    const shown = Array.from(this.subarray(0, BYTES), String);
    if (this.length > BYTES) shown.push(`... ${this.length - BYTES} more`);
    return `${this.constructor.name}(${this.length}) [${shown.length > 0 ? ` ${shown.join(", ")} ` : ""}]`;
  },
  writable: true,
  configurable: true,
  enumerable: false,
});
