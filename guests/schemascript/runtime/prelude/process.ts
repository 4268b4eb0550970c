/** What programs expect of `process`: arguments, environment, status, output. Nothing is read before it is asked for. */

import { globals, native } from "./native.js";

const output = (file: 1 | 2) => ({
  isTTY: false,
  write(text: unknown): true {
    native.write(file, String(text));
    return true;
  },
});

function environment(): Record<string, string> {
  return Object.fromEntries(
    native.environ().map((entry) => {
      const at = entry.indexOf("=");
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

let env: Record<string, string> | undefined;

native.status = 0;

globals({
  process: {
    platform: "wasi",
    version: "",
    versions: {},
    /** As in Node: the program is the second. */
    get argv(): string[] {
      const [name = "", ...others] = native.args();
      return ["schemascript", name, ...others];
    },
    get env(): Record<string, string> {
      return (env ??= environment());
    },
    get exitCode(): number {
      return native.status;
    },
    set exitCode(status: number) {
      native.status = status;
    },
    exit: (status: number = native.status) => native.exit(status),
    stdout: output(1),
    stderr: output(2),
    stdin: { read: (): Uint8Array => native.read() },
    nextTick: (callback: (...values: unknown[]) => void, ...values: unknown[]) => queueMicrotask(() => callback(...values)),
    hrtime: { bigint: () => BigInt(Math.round(native.now() * 1e6)) },
  },
});
