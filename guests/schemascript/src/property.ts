/**
 * A property: one field of a schema, before it is a column of a table.
 *
 * Properties never change: each modifier returns a new one, so a property can be shared and refined. What is known of it at
 * compile time is its `State`, from which the types of the column, of selects and of inserts follow (`table.ts`).
 */

import { type ColumnDataType, is, SQL } from "drizzle-orm";
import type { AnySQLiteColumn, UpdateDeleteAction } from "drizzle-orm/sqlite-core";
import type { Codec } from "./codec.js";
import { holdsTime, Now, type TimeKind } from "./value.js";

export type Kind =
  "integer" | "bigint" | "real" | "text" | "blob" | "boolean" | "datetime" | "enum" | "json" | "array" | "custom";

/** What the compiler knows of a property. `name` is `""` as long as the key gives it. */
export interface State {
  kind: Kind;
  name: string;
  dataType: ColumnDataType;
  columnType: string;
  data: unknown;
  driverParam: unknown;
  enumValues: string[] | undefined;
  notNull: boolean;
  hasDefault: boolean;
  hasRuntimeDefault: boolean;
  isPrimaryKey: boolean;
  isAutoincrement: boolean;
}

/** `S` with some of it replaced. */
export type With<S, Change> = { [K in keyof S]: K extends keyof Change ? Change[K] : S[K] } & {};

export interface ReferenceActions {
  onDelete?: UpdateDeleteAction;
  onUpdate?: UpdateDeleteAction;
}

/** What a property is, as data. Frozen. */
export interface Definition {
  readonly kind: Kind;
  readonly name?: string;
  /** How values are stored: for all kinds that Drizzle's own columns do not cover. */
  readonly codec?: Codec;
  /** An enum's names. */
  readonly options?: readonly string[];
  /** What the database holds for them: the same, or the numbers they stand for. */
  readonly stored?: readonly (string | number)[];
  readonly optional?: boolean;
  readonly unique?: boolean;
  readonly identifier?: boolean;
  readonly autoIncrement?: boolean;
  readonly default?: unknown;
  readonly references?: { readonly column: () => AnySQLiteColumn; readonly actions: ReferenceActions };
}

type Default<S extends State> = S["data"] | SQL | (S["kind"] extends TimeKind ? Now : never);

type Identified<S extends State> = S["kind"] extends "integer" | "bigint"
  ? With<S, { isPrimaryKey: true; hasDefault: true }>
  : With<S, { isPrimaryKey: true }>;

const NO_IDENTIFIER: ReadonlySet<Kind> = new Set(["array", "json", "boolean"]);

export class Property<S extends State> {
  /** For the compiler only. */
  declare readonly _: S;
  readonly definition: Definition;

  constructor(definition: Definition) {
    this.definition = Object.freeze({ ...definition });
    Object.freeze(this);
  }

  /** The column may be NULL; without this it may not. */
  optional(): Property<With<S, { notNull: false }>> {
    if (this.definition.identifier) throw new TypeError("an identifier cannot be optional");
    return this.with({ optional: true });
  }

  /** No two rows have the same value. NULLs do not count. */
  unique(): Property<S> {
    return this.with({ unique: true });
  }

  /**
   * The value of rows that are inserted without one: a value, SQL, or `value.now()`, which the table's definition has, or a function,
   * which Drizzle calls for each row it inserts and the database knows nothing of.
   */
  default(value: () => S["data"] | SQL): Property<With<S, { hasDefault: true; hasRuntimeDefault: true }>>;
  default(value: Default<S>): Property<With<S, { hasDefault: true }>>;
  default(value: unknown): never {
    if (value === undefined || value === null) {
      throw new TypeError("default() needs a value; a property without one is optional()");
    }
    const { kind } = this.definition;
    if (Now.is(value) && !holdsTime(kind)) {
      throw new TypeError(`value.now() is a default of integer, real, datetime and text properties, not of ${kind}`);
    }
    return this.with({ default: value });
  }

  /** The primary key. An integer gets its value from SQLite; with `autoIncrement`, one that was never used before. */
  identifier(
    ...[options]: S["kind"] extends "integer" | "bigint" ? [options?: { autoIncrement?: boolean }] : []
  ): Property<Identified<S>> {
    const { kind, optional } = this.definition;
    if (NO_IDENTIFIER.has(kind)) throw new TypeError(`a property of type ${kind} cannot be an identifier`);
    if (optional) throw new TypeError("an identifier cannot be optional");
    const autoIncrement = (options as { autoIncrement?: boolean } | undefined)?.autoIncrement ?? false;
    if (autoIncrement && kind !== "integer" && kind !== "bigint") {
      throw new TypeError(`autoIncrement is for integer properties, not for ${kind}`);
    }
    return this.with({ identifier: true, autoIncrement });
  }

  /**
   * A foreign key. The column is given as a function, so that it may be one of a table that is defined later. Where tables refer to
   * each other or to themselves TypeScript needs to be told its type: `(): AnySQLiteColumn => Nodes.id`.
   */
  references(column: () => AnySQLiteColumn, actions: ReferenceActions = {}): Property<S> {
    return this.with({ references: Object.freeze({ column, actions: Object.freeze({ ...actions }) }) });
  }

  /** A list of such values, as JSON in a text. */
  array(): Property<
    With<S, { kind: "array"; data: S["data"][]; driverParam: string; dataType: "json"; enumValues: undefined }>
  > {
    const { kind, codec, identifier, unique, references } = this.definition;
    if (this.definition.default !== undefined) throw new TypeError("array() comes before default()");
    if (identifier || unique || references) {
      throw new TypeError("array() makes a list of values, which cannot be an identifier, unique or a reference");
    }
    if (!codec) throw new TypeError(`there are no arrays of ${kind}`);
    return new Property({ ...this.definition, kind: "array", codec: codec.list() }) as never;
  }

  private with(change: Partial<Definition>): never {
    return new Property({ ...this.definition, ...change }) as never;
  }
}

/** A property in any state. `State` itself would leave nothing to be given to its methods. */
export type AnyProperty = Property<any>;

/** Whether a default is for Drizzle to compute, not for the database. */
export const isRuntimeDefault = (value: unknown): value is () => unknown =>
  typeof value === "function" && !is(value, SQL);
