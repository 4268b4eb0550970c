// Procedures in AssemblyScript.
//
//     npx asc text.ts -O --use abort=text/trap -o assemblyscript.wasm

// @ts-ignore: decorator
@external("sqlbridge", "null")
declare function null_result(): void;

// @ts-ignore: decorator
@external("sqlbridge", "fail")
declare function fail(address: usize, length: i32): void;

/** Where the host writes an argument. It keeps the block. */
export function sqlbridge_alloc(size: i32): usize {
  return heap.alloc(size);
}

/** What `throw` and failed assertions become: an error with their message. */
export function trap(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = String.UTF8.encode(message == null ? "abort" : message);
  fail(changetype<usize>(text), text.byteLength);
}

/** The last result, so that it is not collected before the host has copied it. */
let lent = new ArrayBuffer(0);

function result(text: string): i64 {
  lent = String.UTF8.encode(text);
  return ((changetype<usize>(lent) as i64) << 32) | (lent.byteLength as i64);
}

/** Fills up a text to `width` characters, at its left. */
export function pad(text: usize, length: i32, width: i32, filler: usize, fillerLength: i32): i64 {
  if (fillerLength == 0) throw new Error("the filler is empty");
  const whole = String.UTF8.decodeUnsafe(text, length);
  return result(whole.padStart(width, String.UTF8.decodeUnsafe(filler, fillerLength)));
}

/** The part after the last dot; NULL without one. */
export function extension(name: usize, length: i32): i64 {
  const whole = String.UTF8.decodeUnsafe(name, length);
  const dot = whole.lastIndexOf(".");
  if (dot < 0) {
    null_result();
    return 0;
  }
  return result(whole.substring(dot + 1));
}

export function celsius(fahrenheit: f64): f64 {
  return (fahrenheit - 32) / 1.8;
}
