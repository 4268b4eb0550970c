/** Random numbers of the host: crypto.getRandomValues and crypto.randomUUID. And performance.now. */

import { globals, native } from "./native.js";

type Integers = Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

/** https://www.w3.org/TR/webcrypto/#Crypto-method-getRandomValues */
const MOST = 65536;

function getRandomValues<T extends Integers>(array: T): T {
  if (!ArrayBuffer.isView(array) || array instanceof DataView) throw new TypeError("getRandomValues fills an array of integers");
  if (array.byteLength > MOST) throw new RangeError(`getRandomValues fills at most ${MOST} bytes at a time`);
  native.random(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return array;
}

/** Version 4 of RFC 9562. */
function randomUUID(): string {
  const bytes = getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20, 32].map((end, i, ends) => digits.slice(ends[i - 1] ?? 0, end)).join("-");
}

globals({ crypto: { getRandomValues, randomUUID }, performance: { now: () => native.now() } });
