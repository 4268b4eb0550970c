#!/usr/bin/env node
import { build } from "./build/index.js";

const [command, entry, , out] = process.argv.slice(2);
if (command !== "build" || !entry || !out) throw new Error("schemascript build <app.ts> -o <app.wasm>");
build(entry, { out }).then(
  (built) => console.log(`${built.out}: ${built.kind}, ${built.bytes} bytes`),
  (error: Error) => {
    console.error(`schemascript: ${error.message}`);
    process.exitCode = 1;
  },
);
