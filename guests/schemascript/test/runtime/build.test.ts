import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bundle } from "../../src/build/bundle.js";
import { CHANGED, changed } from "../../src/build/drizzle.js";

const folder = mkdtempSync(join(tmpdir(), "schemascript-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

function program(text: string): string {
  const file = join(folder, "program.ts");
  writeFileSync(file, text);
  return file;
}

describe("a bundle", () => {
  it("knows where its lines come from", async () => {
    const { source, lines } = await bundle(program("const one: number = 1;\n\nfunction two(): never {\n  throw new Error(String(one));\n}\ntwo();\n"));
    const at = source.split("\n").findIndex((line) => line.includes("throw"));
    const table = JSON.parse(lines) as { files: string[]; lines: number[] };
    expect(table.files[table.lines[2 * at]!]).toMatch(/program\.ts$/);
    expect(table.lines[2 * at + 1]).toBe(4);
  });

  it.each(["node:fs", "fs", "crypto", "node:child_process", "fs/promises"])("has no %s", async (name) => {
    await expect(bundle(program(`import * as x from "${name}"; console.log(x);`))).rejects.toThrow(`imports ${name}, which is not there in a guest`);
  });

  it("has Buffer under its name in Node", async () => {
    expect((await bundle(program('import { Buffer } from "node:buffer"; console.log(Buffer.from("x"));'))).source).toContain("globalThis.Buffer");
  });

  it("takes files of SQL as text", async () => {
    writeFileSync(join(folder, "a.sql"), "SELECT 1");
    expect((await bundle(program('import text from "./a.sql"; console.log(text);'))).source).toContain('"SELECT 1"');
  });

  it("says what is wrong, with the place", async () => {
    await expect(bundle(program("let x = ;"))).rejects.toThrow(/program\.ts:1:8: Unexpected ";"/);
    await expect(bundle(join(folder, "nothing.ts"))).rejects.toThrow("there is no file");
  });

  it("is of a reactor if it serves", async () => {
    const serve = join(process.cwd(), "src/runtime/index.ts");
    expect((await bundle(program(`import { serve } from ${JSON.stringify(serve)}; serve(() => 1);`))).serves).toBe(true);
    expect((await bundle(program(`import { query } from ${JSON.stringify(serve)}; query("SELECT 1", [], "all");`))).serves).toBe(false);
  });

  it("has functions of Drizzle's replaced", async () => {
    const { source } = await bundle(join(process.cwd(), "examples/bench.ts"));
    for (const name of ["is", "build", "template", "fields", "row", "selection", "others", "dialect"]) {
      expect(source).toContain(`globalThis.__sqlproxy.drizzle.${name}`);
    }
  });

  it.each(Object.keys(CHANGED))("knows Drizzle's %s as it is installed", (file) => {
    const text = readFileSync(join(process.cwd(), "node_modules/drizzle-orm", file), "utf8");
    for (const [line, instead] of CHANGED[file]!.changes) {
      expect(text.split("\n").filter((found) => found === line)).toHaveLength(1);
      expect(changed(file, text)).toContain(instead);
    }
    expect(changed(file, `${text}// of another version`)).toBe(`${text}// of another version`);
  });
});
