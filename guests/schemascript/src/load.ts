/** The tables of a TypeScript file: bundled by esbuild, then imported. */

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";
import { isTable } from "./table.js";

/**
 * What the file exports and is a table. Packages are imported from where the file is; `schemascript` and `drizzle-orm` are those that
 * this program uses, for tables of another copy are strangers to it.
 *
 * @throws Error with a sentence: the file cannot be read, compiled or run, or exports no tables.
 */
export async function loadTables(file: string): Promise<unknown[]> {
  if (!existsSync(file)) throw new Error(`there is no file ${file}`);
  const code = await bundle(file);
  const exported = await importCode(file, code);
  const tables = Object.values(exported).filter(isTable);
  if (tables.length === 0)
    throw new Error(`${file} exports no tables; a table is exported with: export const Users = Table("users", …)`);
  return tables;
}

async function bundle(file: string): Promise<string> {
  try {
    const result = await build({
      entryPoints: [file],
      bundle: true,
      write: false,
      format: "esm",
      platform: "node",
      packages: "external",
      target: "node20",
      sourcemap: "inline",
      logLevel: "silent",
      plugins: [ours],
    });
    return result.outputFiles[0]?.text ?? "";
  } catch (error) {
    const [first] =
      (error as { errors?: { text: string; location: { file: string; line: number } | null }[] }).errors ?? [];
    if (!first) throw error;
    const place = first.location ? `${first.location.file}:${first.location.line}` : file;
    throw new Error(`${place}: ${first.text}`);
  }
}

/** Our own packages, by the addresses of the very modules that this program has. */
const ours: Plugin = {
  name: "ours",
  setup(build) {
    build.onResolve({ filter: /^(?:schemascript|drizzle-orm)(?:\/|$)/ }, ({ path }) => ({
      path: import.meta.resolve(path),
      external: true,
    }));
  },
};

/** Beside the file, for that is where its packages are found. */
async function importCode(file: string, code: string): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(dirname(resolve(file)), ".schemascript-"));
  const module = join(folder, `${basename(file).replace(/\.[^.]+$/, "")}.mjs`);
  try {
    writeFileSync(module, code);
    return (await import(pathToFileURL(module).href)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${file} fails: ${error instanceof Error ? error.message : error}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
