/**
 * The runtime with a program in it, as it is after the program was compiled: a WebAssembly module that starts from there.
 * https://github.com/bytecodealliance/wizer runs the runtime's `build` and writes down its memory.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "./bundle.js";
import type { Kind } from "./index.js";

/** What the module exports, and what it is in the runtime (`runtime/src/guest.c`). */
const EXPORTS: Record<Kind, Record<string, string>> = {
  command: { _start: "start_command" },
  reactor: { _initialize: "start_reactor", sqlproxy_handle: "handle" },
};

export async function snapshot(program: Program, kind: Kind): Promise<Buffer> {
  const prelude = await readFile(runtimeFile("prelude.js"));
  const source = Buffer.from(program.source);
  const lines = Buffer.from(program.lines);
  const header = Buffer.from(`${prelude.length} ${source.length} ${lines.length}\n`);
  const folder = await mkdtemp(join(tmpdir(), "schemascript-"));
  try {
    const out = join(folder, "guest.wasm");
    const renames = Object.entries(EXPORTS[kind]).flatMap(([name, own]) => ["-r", `${name}=${own}`]);
    const args = ["--allow-wasi", "-f", "build", ...renames, "-o", out, "--", runtimeFile("runtime.wasm")];
    const errors = await run(await wizer(), args, Buffer.concat([header, prelude, source, lines]));
    if (errors !== undefined) throw new Error(`the program cannot be compiled: ${reason(errors)}`);
    return await readFile(out);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** `make -C guests/schemascript runtime` puts them there; the npm package has them. */
function runtimeFile(name: string): string {
  const path = join(packageFolder(), "dist", "guest", name);
  if (!existsSync(path)) throw new Error(`the runtime is not built: there is no ${path} (make -C guests/schemascript)`);
  return path;
}

function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The program's path, from the package for this platform. */
async function wizer(): Promise<string> {
  const name: string = "@bytecodealliance/wizer"; // it has no types
  const { default: path } = (await import(name)) as { default: string };
  return path;
}

/** What the runtime says on its standard error; wizer's own words come after it. */
const reason = (errors: string): string => errors.split(/\nError: /)[0]!.trim();

/** Gives what it says on its standard error if it fails. */
function run(command: string, args: string[], input: Buffer): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "ignore", "pipe"] });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    child.stdin.on("error", () => {}); // it ended before it had read all: its status says why
    child.on("error", reject);
    child.on("close", (status) => resolve(status === 0 ? undefined : errors));
    child.stdin.end(input);
  });
}
