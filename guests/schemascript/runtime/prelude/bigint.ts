/**
 * `JSON.stringify` of a bigint: its digits, as a JSON number. Without this it throws, and the integers that SQLite returns beyond
 * 2^53 are bigints.
 */

Object.defineProperty(BigInt.prototype, "toJSON", {
  value: function (this: bigint): unknown {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(this));
  },
  writable: true,
  configurable: true,
  enumerable: false,
});
