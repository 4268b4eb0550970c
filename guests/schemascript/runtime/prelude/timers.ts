/** setTimeout and its family. The loop (`src/loop.c`) asks how long to wait, and runs what is due. */

import { globals, native } from "./native.js";

interface Timer {
  id: number;
  due: number;
  every: number | undefined;
  callback: (...values: unknown[]) => void;
  values: unknown[];
}

/** By time; those of the same time in the order they were set. */
let waiting: Timer[] = [];
let lastId = 0;

function add(timer: Timer): void {
  let at = waiting.length;
  while (at > 0 && waiting[at - 1]!.due > timer.due) at--;
  waiting.splice(at, 0, timer);
}

function set(callback: (...values: unknown[]) => void, delay: unknown, repeat: boolean, values: unknown[]): number {
  if (typeof callback !== "function") throw new TypeError("a timer needs a function to call");
  const wait = Math.max(1, Number(delay) || 0);
  const timer = { id: ++lastId, due: native.now() + wait, every: repeat ? wait : undefined, callback, values };
  add(timer);
  return timer.id;
}

function clear(id: unknown): void {
  waiting = waiting.filter((timer) => timer.id !== id);
}

native.timers = {
  delay: () => (waiting.length === 0 ? -1 : Math.max(0, waiting[0]!.due - native.now())),

  /** Runs one timer that is due, so that the jobs it leaves run before the next. */
  run() {
    const timer = waiting[0];
    if (timer === undefined || timer.due > native.now()) return;
    waiting.shift();
    if (timer.every !== undefined) add({ ...timer, due: native.now() + timer.every });
    timer.callback(...timer.values);
  },
};

type Callback = (...values: unknown[]) => void;

globals({
  setTimeout: (callback: Callback, delay?: number, ...values: unknown[]) => set(callback, delay, false, values),
  setInterval: (callback: Callback, delay?: number, ...values: unknown[]) => set(callback, delay, true, values),
  setImmediate: (callback: Callback, ...values: unknown[]) => set(callback, 0, false, values),
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: clear,
});
