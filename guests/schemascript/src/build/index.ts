/**
 * `schemascript build`: a TypeScript program becomes a guest.
 *
 * esbuild makes one module of the program and what it imports (`bundle.ts`); the runtime compiles it, and the state it is in then
 * is what every run of the guest begins with (`snapshot.ts`).
 */

import { writeFile } from "node:fs/promises";
import { bundle } from "./bundle.js";
import { snapshot } from "./snapshot.js";

/** A command runs once to its end; a reactor answers requests. */
export type Kind = "command" | "reactor";

export interface BuildOptions {
  /** The file to write. */
  out: string;
  /** Default: a reactor if the program calls `serve`, else a command. */
  kind?: Kind;
}

export interface Built {
  out: string;
  kind: Kind;
  /** Size of the module. */
  bytes: number;
}

/**
 * Builds the guest of which `entry` is the main file.
 *
 * @throws an error whose message says what is wrong in which file, one line each
 */
export async function build(entry: string, options: BuildOptions): Promise<Built> {
  const program = await bundle(entry);
  const kind = options.kind ?? (program.serves ? "reactor" : "command");
  const module = await snapshot(program, kind);
  await writeFile(options.out, module);
  return { out: options.out, kind, bytes: module.length };
}
