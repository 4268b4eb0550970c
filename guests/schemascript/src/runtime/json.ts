/** The host interface's JSON: bigints, bytes and numbers that JSON has not are objects with one key that begins with `$`. */

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value);
}

/** A value that JSON cannot say. */
function tagged(value: unknown): unknown {
  if (typeof value === "bigint") return { $int: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { $float: String(value) };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { $bytes: toBase64(bytesOf(value)) };
  return value;
}

function parameter(value: unknown, index: number): unknown {
  const kind = value === null ? "null" : typeof value;
  const scalar = kind !== "object" && kind !== "undefined" && kind !== "function" && kind !== "symbol";
  if (scalar || value instanceof Date || tagged(value) !== value) return tagged(value instanceof Date ? value.toISOString() : value);
  throw new TypeError(`parameter ${index + 1} is ${Array.isArray(value) ? "an array" : `${kind === "object" ? "an " : ""}${kind}`}; SQLite has null, numbers, bigints, booleans, texts, Uint8Arrays and Dates`);
}

export function encode(request: object): string {
  return JSON.stringify(request, function (this: Record<string, unknown>, key: string, value: unknown) {
    if ((key === "params" || key === "args") && Array.isArray(value)) return value.map(parameter);
    return ArrayBuffer.isView(this[key]) ? tagged(this[key]) : tagged(value); // a Buffer has been through its toJSON
  });
}

type Tagged = { $int?: string; $bytes?: string; $float?: string; $text?: string };

export function decode(answer: string): unknown {
  return JSON.parse(answer, (_key, value: unknown) => {
    if (typeof value !== "object" || value === null) return value;
    const { $int, $bytes, $float, $text } = value as Tagged;
    if ($int !== undefined) return BigInt($int);
    if ($bytes !== undefined) return new Uint8Array(Buffer.from($bytes, "base64"));
    if ($float !== undefined) return Number($float);
    return $text === undefined ? value : Buffer.from($text, "base64").toString();
  });
}
