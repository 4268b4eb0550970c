/**
 * SQL and requests. `__host_sqlite_call(json): json` is the name that SchemaScript's specification gives; `__sqlproxy` is what
 * the package's `schemascript/runtime` uses, without the way over JSON.
 */

import { globals, native } from "./native.js";

globals({
  __host_sqlite_call: (request: string): string => native.call(String(request)),
  __sqlproxy: Object.freeze({
    query: native.query,
    request: native.request,
    drizzle: Object.freeze({
      is: native.is,
      dialect: native.dialect,
      build: native.build,
      template: native.template,
      selection: native.selection,
      others: native.others,
      fields: native.fields,
      row: native.row,
    }),
    serve(dispatch: (request: string | Uint8Array) => Promise<string | Uint8Array | null>): void {
      native.dispatch = dispatch;
    },
  }),
});
