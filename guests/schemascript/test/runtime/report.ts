/** Runs the steps and prints what each gives, one line of JSON for each. */

import { steps } from "./steps.js";

/** JSON says too little: what is undefined, a Date, a bigint or bytes is marked. */
function marked(value: unknown): unknown {
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "bigint") return { $: "bigint", value: String(value) };
  if (value instanceof Date) return { $: "date", value: value.toISOString() };
  if (value instanceof Uint8Array) return { $: value.constructor.name, value: Array.from(value) };
  if (Array.isArray(value)) return value.map(marked);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, marked(item)]));
}

export async function report(db: unknown): Promise<void> {
  for (const [name, step] of Object.entries(steps)) {
    let outcome: unknown;
    try {
      outcome = marked(await step(db as never));
    } catch (error) {
      outcome = { thrown: String(error), cause: String((error as Error).cause) };
    }
    console.log(JSON.stringify([name, outcome]));
  }
}
