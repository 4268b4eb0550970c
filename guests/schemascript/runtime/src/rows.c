/*
 * Drizzle's fields and rows in C, and the parts of its SQL: of https://github.com/drizzle-team/drizzle-orm/tree/main/drizzle-orm/src
 *
 *     sql`...`               template      sql/sql.ts
 *     orderSelectedFields    native_fields utils.ts
 *     mapResultRow           native_row    utils.ts
 *
 * As query.c: what a program can have made its own is called as Drizzle calls it.
 */

#include "drizzle.h"
#include "engine.h"

static JSAtom decoder_name, path_name, field_name, sql_name, table_name, subquery_name, from_driver_name;
static JSAtom symbol_schema, symbol_name, symbol_columns;

/* sql`...`. */

enum { CHUNK_MODEL, SQL_MODEL, MODELS };

/* new StringChunk(text), which it takes */
static JSValue new_chunk(JSContext *ctx, JSValueConst model, JSValue text)
{
    if (JS_IsException(text))
        return text;
    JSValue value = JS_IsArray(text) ? text : JS_NewArrayFrom(ctx, 1, &text);
    return JS_IsException(value) ? value : engine_like(ctx, model, 1, &value);
}

/* The name of a table with that of its schema. */
static JSValue full_name(JSContext *ctx, JSValueConst table)
{
    JSValue schema = JS_GetProperty(ctx, table, symbol_schema);
    JSValue name = JS_GetProperty(ctx, table, symbol_name);
    if (JS_IsUndefined(schema) || JS_IsException(name)) {
        JS_FreeValue(ctx, schema);
        return name;
    }
    struct engine_text text;
    engine_text_begin(ctx, &text);
    engine_text_add(&text, schema);
    engine_text_put(&text, ".");
    engine_text_add(&text, name);
    JS_FreeValue(ctx, schema);
    JS_FreeValue(ctx, name);
    return engine_text_end(&text);
}

static JSValue used_tables(JSContext *ctx, int count, JSValueConst *chunks)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t found = 0;
    for (int i = 0; i < count; i++) {
        unsigned kinds;
        JSValue name = JS_UNDEFINED;
        if (drizzle_kinds(ctx, chunks[i], &kinds) || (IS(kinds, TABLE) && JS_IsException(name = full_name(ctx, chunks[i])))) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
        if (IS(kinds, TABLE))
            JS_DefinePropertyValueUint32(ctx, list, found++, name, JS_PROP_C_W_E);
    }
    return list;
}

/* new SQL(chunks), of which it takes the first `count`. */
static JSValue new_sql(JSContext *ctx, JSValueConst model, int count, JSValue *chunks)
{
    JSValue tables = used_tables(ctx, count, (JSValueConst *)chunks);
    JSValue list = JS_NewArrayFrom(ctx, count, chunks);
    JSValue decoder = JS_GetProperty(ctx, model, decoder_name);
    if (JS_IsException(tables) || JS_IsException(list) || JS_IsException(decoder)) {
        JS_FreeValue(ctx, tables);
        JS_FreeValue(ctx, list);
        JS_FreeValue(ctx, decoder);
        return JS_EXCEPTION;
    }
    JSValue values[] = {decoder, JS_FALSE, tables, list};
    return engine_like(ctx, model, 4, values);
}

/* Whether the first text is left out: it is empty, or there is none, and nothing comes after it. 1, 0; -1: an exception. */
static int begins_empty(JSContext *ctx, JSValueConst texts, JSValueConst first)
{
    int64_t length;
    size_t bytes = 1;
    if (JS_GetLength(ctx, texts, &length))
        return -1;
    if (length > 0 && JS_IsString(first)) {
        const char *text = JS_ToCStringLen(ctx, &bytes, first);
        if (!text)
            return -1;
        JS_FreeCString(ctx, text);
    }
    return length <= 0 || bytes == 0;
}

/* sql(texts, ...values) */
static JSValue template(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments, int magic, JSValueConst *models)
{
    int values = count > 1 ? count - 1 : 0, made = 0;
    JSValueConst texts = count > 0 ? arguments[0] : JS_UNDEFINED;
    JSValue room[32], *chunks = room;
    if (2 * values + 1 > 32 && !(chunks = js_malloc(ctx, (2 * values + 1) * sizeof *chunks)))
        return JS_EXCEPTION;
    JSValue first = JS_GetPropertyUint32(ctx, texts, 0);
    int empty = JS_IsException(first) ? -1 : values > 0 ? 0 : begins_empty(ctx, texts, first);
    bool failed = empty < 0;
    if (empty == 0)
        failed = JS_IsException(chunks[made++] = new_chunk(ctx, models[CHUNK_MODEL], first));
    else
        JS_FreeValue(ctx, first);
    for (int i = 0; i < values && !failed; i++) {
        chunks[made++] = JS_DupValue(ctx, arguments[i + 1]);
        failed = JS_IsException(chunks[made++] = new_chunk(ctx, models[CHUNK_MODEL], JS_GetPropertyUint32(ctx, texts, i + 1)));
    }
    JSValue sql = failed ? JS_EXCEPTION : new_sql(ctx, models[SQL_MODEL], made, chunks);
    for (int i = 0; i < made && failed; i++)
        JS_FreeValue(ctx, chunks[i]);
    if (chunks != room)
        js_free(ctx, chunks);
    return sql;
}

/* template(a StringChunk, an SQL): sql */
static JSValue native_template(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    return JS_NewCFunctionData2(ctx, template, "sql", 1, 0, MODELS, arguments);
}

/* Fields. */

static int add_fields(JSContext *ctx, JSValueConst fields, JSValueConst prefix, JSValueConst list, uint32_t *found);

/* [...prefix, name] */
static JSValue longer(JSContext *ctx, JSValueConst prefix, JSAtom name)
{
    int64_t length = 0;
    JSValue path = JS_NewArray(ctx);
    if (!JS_IsUndefined(prefix) && JS_GetLength(ctx, prefix, &length)) {
        JS_FreeValue(ctx, path);
        return JS_EXCEPTION;
    }
    for (int64_t i = 0; i < length; i++)
        JS_DefinePropertyValueUint32(ctx, path, (uint32_t)i, JS_GetPropertyInt64(ctx, prefix, i), JS_PROP_C_W_E);
    JS_DefinePropertyValueUint32(ctx, path, (uint32_t)length, JS_AtomToString(ctx, name), JS_PROP_C_W_E);
    return path;
}

/* 1: added. 0: `field` is nothing that is known here. -1: an exception. Takes `field`. */
static int add_field(JSContext *ctx, JSAtom name, JSValue field, JSValueConst prefix, JSValueConst list, uint32_t *found)
{
    unsigned kinds;
    int done = JS_IsException(field) || drizzle_kinds(ctx, field, &kinds) ? -1 : JS_IsObject(field);
    JSValue path = done > 0 ? longer(ctx, prefix, name) : JS_UNDEFINED;
    if (done <= 0 || JS_IsException(path)) {
        JS_FreeValue(ctx, field);
        return done <= 0 ? done : -1;
    }
    if (IS(kinds, COLUMN) || IS(kinds, SQL) || IS(kinds, ALIASED) || IS(kinds, SUBQUERY)) {
        JSValue entry = JS_NewObject(ctx);
        JS_DefinePropertyValue(ctx, entry, path_name, path, JS_PROP_C_W_E);
        JS_DefinePropertyValue(ctx, entry, field_name, field, JS_PROP_C_W_E);
        return JS_DefinePropertyValueUint32(ctx, list, (*found)++, entry, JS_PROP_C_W_E) < 0 ? -1 : 1;
    }
    JSValue inner = IS(kinds, TABLE) ? JS_GetProperty(ctx, field, symbol_columns) : JS_DupValue(ctx, field);
    done = JS_IsException(inner) ? -1 : JS_IsObject(inner) ? add_fields(ctx, inner, path, list, found) : 0;
    JS_FreeValue(ctx, inner);
    JS_FreeValue(ctx, path);
    JS_FreeValue(ctx, field);
    return done;
}

static int add_fields(JSContext *ctx, JSValueConst fields, JSValueConst prefix, JSValueConst list, uint32_t *found)
{
    JSPropertyEnum *names;
    uint32_t count;
    int done = 1;
    if (engine_stack_is_full(ctx) || JS_GetOwnPropertyNames(ctx, &names, &count, fields, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        return -1;
    for (uint32_t i = 0; i < count && done > 0; i++)
        done = add_field(ctx, names[i].atom, JS_GetProperty(ctx, fields, names[i].atom), prefix, list, found);
    JS_FreePropertyEnum(ctx, names, count);
    return done;
}

/* fields(fields, prefix): list of {path, field}; undefined if one of them is no object */
static JSValue native_fields(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    uint32_t found = 0;
    JSValue list = JS_NewArray(ctx);
    bool known = JS_IsObject(arguments[0]) && (JS_IsUndefined(arguments[1]) || JS_IsArray(arguments[1]));
    int done = known ? add_fields(ctx, arguments[0], arguments[1], list, &found) : 0;
    if (done > 0)
        return list;
    JS_FreeValue(ctx, list);
    return done < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

/* Rows. */

struct row {
    JSContext *ctx;
    JSValueConst values, joins;
    JSValue result;
    JSValue nullify; /* by the name of an object: false, or the table of which all columns were null so far */
};

/* object.first.second, takes `object` */
static JSValue inner(JSContext *ctx, JSValue object, JSAtom name)
{
    JSValue value = JS_IsException(object) ? object : JS_GetProperty(ctx, object, name);
    JS_FreeValue(ctx, object);
    return value;
}

static JSValue decoder_of(JSContext *ctx, JSValueConst field, unsigned kinds)
{
    if (IS(kinds, COLUMN))
        return JS_DupValue(ctx, field);
    if (IS(kinds, SQL))
        return JS_GetProperty(ctx, field, decoder_name);
    JSValue owner = IS(kinds, SUBQUERY) ? JS_GetProperty(ctx, field, subquery_name) : JS_DupValue(ctx, field);
    return inner(ctx, inner(ctx, owner, sql_name), decoder_name);
}

/* `raw`, which it takes, as the field has it. */
static JSValue decoded(JSContext *ctx, JSValueConst field, unsigned kinds, JSValue raw)
{
    if (JS_IsNull(raw) || JS_IsException(raw))
        return raw;
    JSValue decoder = decoder_of(ctx, field, kinds);
    JSValue value = JS_IsException(decoder) ? decoder : JS_Invoke(ctx, decoder, from_driver_name, 1, (JSValueConst *)&raw);
    JS_FreeValue(ctx, decoder);
    JS_FreeValue(ctx, raw);
    return value;
}

/* Of a column of an object of the result: whether that may be null as a whole. */
static int look_for_null(struct row *row, JSAtom object, JSValueConst field, bool null)
{
    JSContext *ctx = row->ctx;
    JSValue table = inner(ctx, JS_GetProperty(ctx, field, table_name), symbol_name);
    int known = JS_IsException(table) ? -1 : JS_HasProperty(ctx, row->nullify, object);
    if (known == 0)
        return JS_SetProperty(ctx, row->nullify, object, null ? table : (JS_FreeValue(ctx, table), JS_FALSE)) < 0 ? -1 : 0;
    JSValue before = known < 0 ? JS_EXCEPTION : JS_GetProperty(ctx, row->nullify, object);
    bool other = JS_IsString(before) && !JS_IsStrictEqual(ctx, before, table);
    int failed = JS_IsException(before) || (other && JS_SetProperty(ctx, row->nullify, object, JS_FALSE) < 0);
    JS_FreeValue(ctx, before);
    JS_FreeValue(ctx, table);
    return failed ? -1 : 0;
}

static JSAtom name_at(JSContext *ctx, JSValueConst path, int64_t index)
{
    JSValue text = JS_GetPropertyInt64(ctx, path, index);
    JSAtom name = JS_ValueToAtom(ctx, text);
    JS_FreeValue(ctx, text);
    return name;
}

/* The object in which the last name of the path is set. */
static JSValue to_node(JSContext *ctx, JSValueConst result, JSValueConst path, int64_t length)
{
    JSValue node = JS_DupValue(ctx, result);
    for (int64_t i = 0; i < length - 1 && !JS_IsException(node); i++) {
        JSAtom name = name_at(ctx, path, i);
        int has = JS_HasProperty(ctx, node, name);
        if (has < 0 || (has == 0 && JS_SetProperty(ctx, node, name, JS_NewObject(ctx)) < 0)) {
            JS_FreeValue(ctx, node);
            node = JS_EXCEPTION;
        } else {
            node = inner(ctx, node, name);
        }
        JS_FreeAtom(ctx, name);
    }
    return node;
}

static int set_field(struct row *row, JSValueConst path, JSValueConst field, JSValueConst raw)
{
    JSContext *ctx = row->ctx;
    int64_t length;
    unsigned kinds;
    if (JS_GetLength(ctx, path, &length) || drizzle_kinds(ctx, field, &kinds))
        return -1;
    JSValue value = decoded(ctx, field, kinds, JS_DupValue(ctx, raw));
    JSValue node = JS_IsException(value) ? value : to_node(ctx, row->result, path, length);
    if (JS_IsException(node)) {
        JS_FreeValue(ctx, value);
        return -1;
    }
    bool null = JS_IsNull(value);
    JSAtom name = name_at(ctx, path, length - 1);
    int failed = JS_SetProperty(ctx, node, name, value) < 0;
    JS_FreeAtom(ctx, name);
    JS_FreeValue(ctx, node);
    if (!failed && length == 2 && IS(kinds, COLUMN) && JS_ToBool(ctx, row->joins)) {
        JSAtom object = name_at(ctx, path, 0);
        failed = look_for_null(row, object, field, null);
        JS_FreeAtom(ctx, object);
    }
    return failed ? -1 : 0;
}

static int set_column(struct row *row, JSValueConst column, uint32_t index)
{
    JSContext *ctx = row->ctx;
    JSValue path = JS_GetProperty(ctx, column, path_name);
    JSValue field = JS_GetProperty(ctx, column, field_name);
    JSValue raw = JS_GetPropertyUint32(ctx, row->values, index);
    int failed = JS_IsException(path) || JS_IsException(field) || JS_IsException(raw) || set_field(row, path, field, raw);
    JS_FreeValue(ctx, path);
    JS_FreeValue(ctx, field);
    JS_FreeValue(ctx, raw);
    return failed ? -1 : 0;
}

/* Objects of which all columns are null, of tables that a join may leave out, become null. */
static int set_nulls(struct row *row)
{
    JSContext *ctx = row->ctx;
    JSPropertyEnum *names;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &names, &count, row->nullify, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        return -1;
    int failed = 0;
    for (uint32_t i = 0; i < count && !failed; i++) {
        JSValue table = JS_GetProperty(ctx, row->nullify, names[i].atom);
        if (JS_IsString(table)) {
            JSAtom name = JS_ValueToAtom(ctx, table);
            JSValue stays = JS_GetProperty(ctx, row->joins, name);
            failed = JS_IsException(stays) || (!JS_ToBool(ctx, stays) && JS_SetProperty(ctx, row->result, names[i].atom, JS_NULL) < 0);
            JS_FreeValue(ctx, stays);
            JS_FreeAtom(ctx, name);
        }
        JS_FreeValue(ctx, table);
    }
    JS_FreePropertyEnum(ctx, names, count);
    return failed ? -1 : 0;
}

/* row(columns, values, joinsNotNullableMap): object */
static JSValue native_row(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    int64_t columns;
    if (JS_GetLength(ctx, arguments[0], &columns))
        return JS_EXCEPTION;
    struct row row = {.ctx = ctx, .values = arguments[1], .joins = arguments[2], .result = JS_NewObject(ctx), .nullify = JS_NewObject(ctx)};
    int failed = 0;
    for (int64_t i = 0; i < columns && !failed; i++) {
        JSValue column = JS_GetPropertyInt64(ctx, arguments[0], i);
        failed = JS_IsException(column) ? -1 : set_column(&row, column, (uint32_t)i);
        JS_FreeValue(ctx, column);
    }
    failed = failed || set_nulls(&row);
    JS_FreeValue(ctx, row.nullify);
    if (!failed)
        return row.result;
    JS_FreeValue(ctx, row.result);
    return JS_EXCEPTION;
}

void rows_define(JSContext *ctx, JSValueConst native)
{
    decoder_name = JS_NewAtom(ctx, "decoder");
    path_name = JS_NewAtom(ctx, "path");
    field_name = JS_NewAtom(ctx, "field");
    sql_name = JS_NewAtom(ctx, "sql");
    table_name = JS_NewAtom(ctx, "table");
    subquery_name = JS_NewAtom(ctx, "_");
    from_driver_name = JS_NewAtom(ctx, "mapFromDriverValue");
    symbol_schema = drizzle_symbol(ctx, "drizzle:Schema");
    symbol_name = drizzle_symbol(ctx, "drizzle:Name");
    symbol_columns = drizzle_symbol(ctx, "drizzle:Columns");
    define_native(ctx, native, "template", native_template, 2);
    define_native(ctx, native, "fields", native_fields, 2);
    define_native(ctx, native, "row", native_row, 3);
}
