/** All ways to recurse: each has to end in an error that can be caught. `args`: which. */

const nested = (n: number, a: string, b: string) => a.repeat(n) + b.repeat(n);
const cases: Record<string, () => unknown> = {
  plain: () => { const f = (n: number): number => f(n + 1) + 1; return f(0); },
  manyArgs: () => { const f = (a: number, b: number, c: number, d: number, e: number, g: number): number => f(a, b, c, d, e, g) + 1; return f(0, 1, 2, 3, 4, 5); },
  map: () => { const f = (): unknown => [1].map(f); return f(); },
  forEach: () => { const f = (): void => [1].forEach(f); return f(); },
  reduce: () => { const f = (): any => [1, 2].reduce(f as any); return f(); },
  sort: () => { const f = (): any => [1, 2].sort(f as any); return f(); },
  getter: () => { const o = { get x(): any { return this.x; } }; return o.x; },
  proxy: () => { const p: any = new Proxy({}, { get: (t, k, r) => r[k] }); return p.x; },
  reflect: () => { const f = (): any => Reflect.apply(f, null, []); return f(); },
  apply: () => { function f(): any { return f.apply(null, [] as any); } return f(); },
  bind: () => { let g: any; function f(): any { return g(); } g = f.bind(null).bind(null).bind(null); return f(); },
  construct: () => { class A { constructor() { new A(); } } return new A(); },
  extend: () => { class B {} class A extends B { constructor() { super(); new A(); } } return new A(); },
  toString: () => { const o = { toString(): string { return `${o}`; } }; return `${o}`; },
  valueOf: () => { const o: any = { valueOf(): number { return +o; } }; return +o; },
  toJSON: () => { const o = { toJSON(): any { return JSON.parse(JSON.stringify(o)); } }; return JSON.stringify(o); },
  stringify: () => { let o: any = {}; for (let i = 0; i < 1e5; i++) o = { o }; return JSON.stringify(o).length; },
  parse: () => JSON.parse(nested(1e5, "[", "]")),
  parseReviver: () => JSON.parse(nested(1e5, "[", "]"), (k, v) => v),
  eval: () => (0, eval)(nested(1e5, "(", ")")),
  evalArray: () => (0, eval)(nested(1e5, "[", "]")),
  evalFunction: () => (0, eval)("()=>".repeat(1e5) + "1"),
  evalUnary: () => (0, eval)("-+".repeat(1e5) + "1"),
  evalBlock: () => (0, eval)(nested(1e5, "{", "}")),
  regexpSource: () => new RegExp(nested(1e5, "(", ")")),
  regexpGroups: () => new RegExp("(?:".repeat(200) + "a" + ")*".repeat(200)).test("a".repeat(1000)),
  replace: () => { const f = (): string => "a".replace(/a/, f); return f(); },
  generator: () => { function* g(): any { yield* g(); } return [...g()]; },
  flat: () => { let a: any = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity); },
  equalsProto: () => { let o: any = null; for (let i = 0; i < 1e5; i++) o = Object.create(o); return o.x; },
  iterator: () => { const o = { [Symbol.iterator](): any { return [...o][Symbol.iterator](); } }; return [...o]; },
  hasInstance: () => { class A { static [Symbol.hasInstance](v: any): boolean { return v instanceof A; } } return {} instanceof A; },
  proxyChain: () => { let p: any = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x; },
  errorStack: () => { const f = (n: number): any => { try { return f(n + 1); } catch (e) { return String((e as Error).stack).length > 0 ? Promise.reject(e) : 0; } }; return f(0); },
  inspect: () => { let o: any = {}; for (let i = 0; i < 1e5; i++) o = { o }; console.log(o); },
  clone: () => { let o: any = {}; for (let i = 0; i < 1e5; i++) o = { o }; return structuredClone(o); },
  thenChain: async () => { const f = async (n: number): Promise<number> => (n > 1e4 ? n : await f(n + 1)); return await f(0); },
  asyncDeep: async () => { const f = async (): Promise<number> => await f(); return await f(); },
};
const which = process.argv.slice(2);
for (const name of which.length ? which : Object.keys(cases)) {
  try {
    const value = await cases[name]!();
    console.log(name, "ended", String(typeof value === "object" ? typeof value : value).slice(0, 30));
  } catch (e) {
    console.log(name, e instanceof Error ? `${e.name}: ${e.message.slice(0, 60)}` : e);
  }
}
