/** TextEncoder and TextDecoder for UTF-8: https://encoding.spec.whatwg.org/ */

import { globals, native } from "./native.js";

class TextEncoder {
  readonly encoding = "utf-8";

  encode(text: unknown = ""): Uint8Array<ArrayBuffer> {
    return native.encode(String(text).toWellFormed());
  }

  encodeInto(text: string, into: Uint8Array): { read: number; written: number } {
    let read = 0;
    let written = 0;
    for (const character of text) {
      const bytes = this.encode(character);
      if (written + bytes.length > into.length) break;
      into.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

const UTF_8 = new Set(["utf-8", "utf8", "unicode-1-1-utf-8"]);
const MARK = "\ufeff";

class TextDecoder {
  readonly encoding = "utf-8";
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  /** Bytes of a character that was not complete. */
  #rest = new Uint8Array(0);
  #begun = false;

  constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    if (!UTF_8.has(String(label).trim().toLowerCase())) throw new RangeError(`TextDecoder knows UTF-8 only, not ${label}`);
    this.fatal = Boolean(options.fatal);
    this.ignoreBOM = Boolean(options.ignoreBOM);
  }

  decode(input: ArrayBuffer | ArrayBufferView = new Uint8Array(0), options: { stream?: boolean } = {}): string {
    let bytes = join(this.#rest, view(input));
    const kept = options.stream ? native.cut(bytes) : 0;
    this.#rest = bytes.slice(bytes.length - kept);
    bytes = bytes.subarray(0, bytes.length - kept);
    const text = native.decode(bytes, this.fatal);
    const first = !this.#begun && bytes.length > 0;
    this.#begun = Boolean(options.stream) && (this.#begun || bytes.length > 0);
    return first && !this.ignoreBOM && text.startsWith(MARK) ? text.slice(1) : text;
  }
}

function view(input: ArrayBuffer | ArrayBufferView): Uint8Array<ArrayBuffer> {
  if (ArrayBuffer.isView(input)) return new Uint8Array(input.buffer as ArrayBuffer, input.byteOffset, input.byteLength);
  return new Uint8Array(input);
}

function join(first: Uint8Array<ArrayBuffer>, second: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

globals({ TextEncoder, TextDecoder });
