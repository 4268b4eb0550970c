/**
 * The host interface (`docs/host-interface.md`), from JavaScript.
 *
 * Inside the database the runtime gives `__sqlproxy`, which speaks MessagePack in its C part. Elsewhere, in tests in Node say,
 * a function that takes and gives JSON can stand in for the host: `setHostHandler`, or the global `__host_sqlite_call` that
 * SchemaScript's specification names.
 */

import { decode, encode } from "./json.js";

/** What SQLite has. Integers beyond ±(2^53 - 1) are bigints. */
export type Value = null | number | bigint | string | Uint8Array;

/** What can be bound: booleans are 1 and 0, dates text in ISO 8601. */
export type Parameter = Value | boolean | Date | ArrayBuffer;

export type Method = "run" | "all" | "get" | "values";

/** The answer to `query`. */
export interface Answer {
  /** `all`, `values`: a list of rows. `get`: the row, or nothing. */
  rows?: Value[][] | Value[];
  /** `run` */
  changes?: number;
  lastInsertRowid?: number | bigint;
}

interface HostError {
  code: string;
  extended: number;
  message: string;
}

/** An error of SQLite's or of the host's. */
export class SqliteError extends Error {
  /** Name of the extended code, `SQLITE_CONSTRAINT_UNIQUE` say: https://www.sqlite.org/rescode.html */
  readonly code: string;
  /** Its number. */
  readonly extendedCode: number;

  constructor({ code, extended, message }: HostError) {
    super(message);
    this.name = "SqliteError";
    this.code = code;
    this.extendedCode = extended;
  }
}

/** What the runtime's prelude defines (`runtime/prelude/host.ts`). */
export interface Sandbox {
  query(sql: string, params: readonly unknown[], method: Method): unknown;
  request(request: object): unknown;
  serve(dispatch: (request: string | Uint8Array) => Promise<string | Uint8Array | null>): void;
}

interface Globals {
  __sqlproxy?: Sandbox;
  __host_sqlite_call?: HostHandler;
}

/** A request as JSON, its answer as JSON. */
export type HostHandler = (request: string) => string;

let handler: HostHandler | undefined;

/** Where there is no host, `standIn` takes its place. */
export function setHostHandler(standIn: HostHandler | undefined): void {
  handler = standIn;
}

export function sandbox(): Sandbox | undefined {
  return (globalThis as Globals).__sqlproxy;
}

/** One statement, as Drizzle asks for it. */
export function query(sql: string, params: readonly unknown[], method: Method): Answer {
  const inside = sandbox();
  return checked(inside ? inside.query(sql, params, method) : overJson({ sql, params, method })) as Answer;
}

/** Any request of the host interface: `{ command: "exec", sql, args }` say. */
export function request(command: object): Record<string, unknown> {
  const inside = sandbox();
  return checked(inside ? inside.request(command) : overJson(command));
}

function overJson(command: object): unknown {
  const call = handler ?? (globalThis as Globals).__host_sqlite_call;
  if (!call) throw new Error("there is no database here: this program runs inside of one (sqlproxy_serve), or with setHostHandler");
  return decode(call(encode(command)));
}

function checked(answer: unknown): Record<string, unknown> {
  const { error } = answer as { error?: HostError };
  if (error) throw new SqliteError(error);
  return answer as Record<string, unknown>;
}
