/** Imports that `schemascript build` understands. `/// <reference types="schemascript/globals" />` in one file of a program. */

declare module "*/migrations" {
  const migrations: import("schemascript/runtime").Migrations;
  export default migrations;
}

declare module "*/migrations.js" {
  const migrations: import("schemascript/runtime").Migrations;
  export default migrations;
}

declare module "*.sql" {
  const text: string;
  export default text;
}
