/** One ECMAScript module of a program and all it imports. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { type BuildFailure, build, type PartialMessage, type Plugin } from "esbuild";
import { drizzle } from "./drizzle.js";
import { lineTable } from "./lines.js";

export interface Program {
  /** The module's text. */
  source: string;
  /** Where its lines come from: see `lines.ts`. */
  lines: string;
  /** Whether it answers requests. */
  serves: boolean;
}

/** A sentence of `src/runtime/serve.ts`, which is in the bundle if the program calls `serve`, wherever the package lies. */
const SERVES = "there is nobody to serve here";

export async function bundle(entry: string): Promise<Program> {
  if (!existsSync(entry)) throw new Error(`there is no file ${entry}`);
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2023",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "module"],
    loader: { ".sql": "text" },
    define: { "process.env.NODE_ENV": '"production"' },
    charset: "utf8",
    sourcemap: "external",
    outfile: "app.js",
    logLevel: "silent",
    plugins: [sandbox, drizzle, migrations],
  }).catch((failure: BuildFailure) => {
    throw new Error(failure.errors ? failure.errors.map(described).join("\n") : String(failure));
  });
  const text = (suffix: string) => result.outputFiles.find((file) => file.path.endsWith(suffix))!.text;
  const source = text("app.js");
  return { source, lines: lineTable(text("app.js.map")), serves: source.includes(SERVES) };
}

function described({ text, location }: PartialMessage): string {
  return location ? `${location.file}:${location.line}:${location.column}: ${text}` : String(text);
}

/** What Node has and a guest has not. */
const sandbox: Plugin = {
  name: "sandbox",
  setup({ onResolve, onLoad }) {
    const names = builtinModules.filter((name) => !name.startsWith("_")).join("|");
    onResolve({ filter: new RegExp(`^(?:node:.*|${names})$`) }, ({ path, importer }) => {
      if (/^(?:node:)?buffer$/.test(path)) return { path: "buffer", namespace: "sandbox" };
      const whose = importer === "" ? "the program" : importer;
      return { errors: [{ text: `${whose} imports ${path}, which is not there in a guest: it has no files, no network and no processes` }] };
    });
    onLoad({ filter: /^buffer$/, namespace: "sandbox" }, () => ({ contents: "export const Buffer = globalThis.Buffer; export default { Buffer };" }));
  },
};

interface Journal {
  entries: { tag: string }[];
}

/**
 * `import migrations from "./drizzle/migrations"`: the folder that `schemascript migrate` or drizzle-kit writes, as the module that
 * drizzle-kit makes of it for other hosts without files. If that module is there, it is taken as it is.
 */
const migrations: Plugin = {
  name: "migrations",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/migrations(?:\.js)?$/ }, ({ path, resolveDir }) => {
      const file = resolve(resolveDir, path);
      const folder = dirname(file);
      const made = [".js", ".ts", "/index.js", "/index.ts"].some((end) => existsSync(file.replace(/\.js$/, "") + end));
      return made || !existsSync(join(folder, "meta", "_journal.json")) ? undefined : { path: folder, namespace: "migrations" };
    });
    onLoad({ filter: /.*/, namespace: "migrations" }, async ({ path: folder }) => {
      const file = join(folder, "meta", "_journal.json");
      const journal = JSON.parse(await readFile(file, "utf8")) as Journal;
      const imports = journal.entries.map(({ tag }, i) => `import m${i} from ${JSON.stringify(`./${basename(tag)}.sql`)};`);
      const named = journal.entries.map(({ tag }, i) => `${JSON.stringify(tag)}: m${i}`);
      return {
        contents: `import journal from "./meta/_journal.json";\n${imports.join("\n")}\nexport default { journal, migrations: { ${named.join(", ")} } };`,
        resolveDir: folder,
        watchFiles: [file],
      };
    });
  },
};
