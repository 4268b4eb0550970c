/** Answering requests: `SELECT response FROM app WHERE request = '...'`. */

import { sandbox } from "./host.js";

/**
 * What a handler may give: a text, bytes (a BLOB), null or undefined (NULL); anything else becomes JSON, bigints as their digits,
 * bytes in it as base64.
 */
export type Response = unknown;

export type Handler<Request = string> = (request: Request) => Response | Promise<Response>;

export interface ServeOptions {
  /** What the handler is given. `text`, the default, refuses requests that are not UTF-8. */
  request?: "text" | "bytes";
}

/** Makes `handler` answer the requests from now on. An error that it throws fails the query, with the error's message. */
export function serve(handler: Handler<string>, options?: { request?: "text" }): void;
export function serve(handler: Handler<Uint8Array>, options: { request: "bytes" }): void;
export function serve(handler: Handler<never>, { request: wanted = "text" }: ServeOptions = {}): void {
  const inside = sandbox();
  if (!inside) throw new Error("there is nobody to serve here: this program runs inside a database (sqlproxy_serve)");
  if (typeof handler !== "function") throw new TypeError("serve needs a function that answers requests");
  inside.serve(async (request) => encoded(await (handler as Handler<unknown>)(wanted === "bytes" ? bytes(request) : text(request))));
}

function text(request: string | Uint8Array): string {
  if (typeof request === "string") return request;
  throw new TypeError('the request is not UTF-8; a handler of bytes takes it: serve(handler, { request: "bytes" })');
}

const bytes = (request: string | Uint8Array): Uint8Array => (typeof request === "string" ? new TextEncoder().encode(request) : request);

/** `value` comes after toJSON, which Buffers have. */
function withBytes(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const before = this[key];
  return before instanceof Uint8Array ? Buffer.from(before).toString("base64") : value;
}

/** What the runtime takes for an answer. */
function encoded(response: unknown): string | Uint8Array | null {
  if (response === undefined || response === null) return null;
  if (typeof response === "string" || response instanceof Uint8Array) return response;
  if (response instanceof ArrayBuffer) return new Uint8Array(response);
  const json = JSON.stringify(response, withBytes);
  if (json === undefined) throw new TypeError(`the handler gave a ${typeof response}, which is no answer`);
  return json;
}
