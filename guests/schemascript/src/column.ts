/** Drizzle's column of a property: a codec, and the SQL type it stores. */

import {
  type ColumnBaseConfig,
  type ColumnBuilderBaseConfig,
  type ColumnDataType,
  entityKind,
  type SQL,
} from "drizzle-orm";
import {
  type AnySQLiteColumn,
  SQLiteBaseInteger,
  SQLiteBaseIntegerBuilder,
  SQLiteColumn,
  SQLiteColumnBuilder,
} from "drizzle-orm/sqlite-core";
import type { Codec } from "./codec.js";
import { type Definition, isRuntimeDefault, type Kind } from "./property.js";
import { holdsTime, Now, nowAs } from "./value.js";

type AnyBuilder = ColumnBuilderBaseConfig<ColumnDataType, string>;
type AnyColumn = ColumnBaseConfig<ColumnDataType, string>;
// Drizzle's constructors take the table and the builder's configuration, whose types are its own.
type Arguments = ConstructorParameters<typeof SQLiteColumn<AnyColumn>>;
interface Config {
  codec: Codec;
}

/** Drizzle's names, which its tools know, for the columns that mean the same. */
const DRIZZLE: { [K in Kind]: [dataType: ColumnDataType, columnType: string] } = {
  integer: ["number", "SQLiteInteger"],
  bigint: ["bigint", "SQLiteBigInt"],
  real: ["number", "SQLiteReal"],
  text: ["string", "SQLiteText"],
  blob: ["buffer", "SQLiteBlobBuffer"],
  boolean: ["boolean", "SQLiteBoolean"],
  datetime: ["date", "SQLiteTimestamp"],
  enum: ["string", "SQLiteText"],
  json: ["json", "SQLiteTextJson"],
  array: ["json", "SQLiteTextJson"],
  custom: ["custom", "SQLiteCustomColumn"],
};

class CodecColumn extends SQLiteColumn<AnyColumn, Config> {
  static override readonly [entityKind]: string = "SchemaScriptColumn";
  readonly codec: Codec;

  constructor(...[table, config]: Arguments) {
    super(table, config as never);
    this.codec = (config as unknown as Config).codec;
  }

  getSQLType(): string {
    return this.codec.sqlType;
  }

  override mapToDriverValue(value: unknown): unknown {
    return inColumn(this, () => this.codec.encode(value));
  }

  override mapFromDriverValue(stored: unknown): unknown {
    return inColumn(this, () => this.codec.decode(stored));
  }
}

/** The same for integers, of which SQLite can make primary keys of its own. */
class IntegerColumn extends SQLiteBaseInteger<AnyColumn, Config> {
  static override readonly [entityKind]: string = "SchemaScriptInteger";
  readonly codec: Codec;

  constructor(...[table, config]: Arguments) {
    super(table, config as never);
    this.codec = (config as unknown as Config).codec;
  }

  override mapToDriverValue(value: unknown): unknown {
    return inColumn(this, () => this.codec.encode(value));
  }

  override mapFromDriverValue(stored: unknown): unknown {
    return inColumn(this, () => this.codec.decode(stored));
  }
}

class CodecBuilder extends SQLiteColumnBuilder<AnyBuilder, Config> {
  static override readonly [entityKind]: string = "SchemaScriptColumnBuilder";

  constructor(name: string, kind: Kind, codec: Codec) {
    super(name, ...DRIZZLE[kind]);
    this.config.codec = codec;
  }

  /** Called by `sqliteTable`. */
  build(table: Arguments[0]): CodecColumn {
    return new CodecColumn(table, this.config as Arguments[1]);
  }
}

class IntegerBuilder extends SQLiteBaseIntegerBuilder<AnyBuilder, Config> {
  static override readonly [entityKind]: string = "SchemaScriptIntegerBuilder";

  constructor(name: string, kind: Kind, codec: Codec) {
    super(name, ...DRIZZLE[kind]);
    this.config.codec = codec;
  }

  /** Called by `sqliteTable`. */
  build(table: Arguments[0]): IntegerColumn {
    return new IntegerColumn(table, this.config as Arguments[1]);
  }
}

/** The column that `property` describes, called `name`. */
export function columnBuilder(name: string, property: Definition): SQLiteColumnBuilder {
  const { kind, codec, references } = property;
  if (!codec) throw new TypeError(`a property of type ${kind} has no codec`);
  const builder =
    codec.sqlType === "integer" ? new IntegerBuilder(name, kind, codec) : new CodecBuilder(name, kind, codec);
  if (kind === "enum")
    (builder as unknown as { config: { enumValues?: string[] } }).config.enumValues = property.options as string[];
  if (!property.optional) builder.notNull();
  if (property.unique) builder.unique();
  if (property.identifier) primaryKey(builder, property.autoIncrement ?? false);
  if (property.default !== undefined) setDefault(builder, kind, property.default);
  if (references) builder.references(() => existing(name, references.column()), references.actions);
  return builder as unknown as SQLiteColumnBuilder;
}

/** A misspelt key, or a module that is not there yet, gives undefined where the compiler was told otherwise. */
function existing(name: string, column: AnySQLiteColumn | undefined): AnySQLiteColumn {
  if (column === undefined) throw new TypeError(`${name} refers to a column that does not exist`);
  return column;
}

function primaryKey(builder: IntegerBuilder | CodecBuilder, autoIncrement: boolean): void {
  if (builder instanceof IntegerBuilder) builder.primaryKey({ autoIncrement });
  else builder.primaryKey();
}

function setDefault(builder: IntegerBuilder | CodecBuilder, kind: Kind, value: unknown): void {
  if (isRuntimeDefault(value)) builder.$defaultFn(value);
  else if (Now.is(value) && holdsTime(kind)) builder.default(nowAs[kind]());
  else builder.default(value as SQL);
}

/** A codec's error with the column's name. */
function inColumn<T>(column: { name: string; table: unknown }, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    if (error instanceof Error) error.message = `${column.name}: ${error.message}`;
    throw error;
  }
}
