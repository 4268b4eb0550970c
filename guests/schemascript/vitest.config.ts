import { defineConfig } from "vitest/config";

// The command line and the README's examples are tested with the package as it is built.
export default defineConfig({ test: { globalSetup: "test/build.ts", testTimeout: 120_000 } });
