/** The README's TypeScript, compiled and run. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const package_ = resolve(import.meta.dirname, "..");
const blocks = [...readFileSync(join(package_, "README.md"), "utf8").matchAll(/```ts\n\/\/ (\S+)\n(.*?)```/gs)];
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(package_, "dist", "readme-test-"));
  for (const [, name, code] of blocks) writeFileSync(join(folder, name as string), code as string);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("its examples compile, and give what they say", async () => {
  expect(blocks.map(([, name]) => name)).toEqual(["schema.ts", "query.ts", "nodes.ts"]);
  const options = ["--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--types", "node"];
  execFileSync(join(package_, "node_modules/.bin/tsc"), [...options, "query.ts", "nodes.ts"], {
    cwd: folder,
    stdio: "pipe",
  });
  const { posts } = (await import(join(folder, "query.js"))) as { posts: unknown };
  expect(posts).toEqual([{ title: "Notes", tags: ["engine"], author: "ada" }]);
  await import(join(folder, "nodes.js"));
});
