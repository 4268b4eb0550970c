/** What the glue gives to the prelude, and takes from it. The names are those in `src/*.c`. */

export interface Native {
  // platform.c
  write(file: 1 | 2, text: string): void;
  read(): Uint8Array;
  now(): number;
  random(bytes: Uint8Array): void;
  args(): string[];
  environ(): string[];
  exit(status: number): never;
  decode(bytes: Uint8Array, fatal: boolean): string;
  cut(bytes: Uint8Array): number;
  encode(text: string): Uint8Array<ArrayBuffer>;
  // host.c
  call(json: string): string;
  request(request: object): unknown;
  query(sql: string, params: unknown[], method: string): unknown;
  // drizzle.c, query.c, parts.c, rows.c: only handed on, to Drizzle as `schemascript build` changes it (src/build/drizzle.ts).
  is: unknown;
  dialect: unknown;
  build: unknown;
  template: unknown;
  selection: unknown;
  others: unknown;
  fields: unknown;
  row: unknown;
  // Given by the build: see errors.ts.
  lines: string;
  // Given by the prelude.
  timers: { delay(): number; run(): void };
  describe(error: unknown): string;
  sentence(error: unknown): string;
  /** What a command exits with. */
  status: number;
  /** Answers one request: a text, bytes, or NULL. Given by `serve`. */
  dispatch?: (request: string | Uint8Array) => Promise<string | Uint8Array | null>;
}

export const native = (globalThis as unknown as { __native: Native }).__native;

/** Defines globals as the platform's own are: not enumerable. */
export function globals(values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
