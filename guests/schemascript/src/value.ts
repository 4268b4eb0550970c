/** Values that the database computes. */

import { type SQL, sql } from "drizzle-orm";

/** The time of an insert, in the form its column has. Made by `value.now()`. */
export class Now {
  /** Keeps the compiler from taking any object for one. */
  readonly #now = true;

  static is(value: unknown): value is Now {
    return typeof value === "object" && value !== null && #now in value;
  }
}

export const value = {
  /**
   * The time of the insert, as a default: seconds since 1970 in an `integer`, with fractions in a `real`, a `Date` in a `datetime`,
   * `2026-11-29T20:00:00.000Z` in a `text`.
   */
  now: (): Now => new Now(),
};

function seconds(): SQL {
  return sql`(cast(strftime('%s', 'now') as integer))`;
}

/** What `value.now()` is in each kind of column. SQLite 3.37 has no `unixepoch()` yet. */
export const nowAs = {
  integer: seconds,
  bigint: seconds,
  real: (): SQL => sql`((julianday('now') - 2440587.5) * 86400.0)`,
  datetime: (): SQL => sql`(cast(round((julianday('now') - 2440587.5) * 86400000.0) as integer))`,
  text: (): SQL => sql`(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`,
};

/** The kinds of columns that can hold a time. */
export type TimeKind = keyof typeof nowAs;

export const holdsTime = (kind: string): kind is TimeKind => Object.hasOwn(nowAs, kind);
