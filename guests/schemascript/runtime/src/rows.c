/*
 * Drizzle's orderSelectedFields and mapResultRow in C, of https://github.com/drizzle-team/drizzle-orm/blob/main/drizzle-orm/src/utils.ts.
 *
 * As query.c: what a program can have made its own is called as Drizzle calls it.
 */

#include "drizzle.h"
#include "engine.h"

static JSAtom decoder_name, path_name, field_name, sql_name, table_name, subquery_name, from_driver_name;
static JSAtom symbol_name, symbol_columns;

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
    symbol_name = drizzle_symbol(ctx, "drizzle:Name");
    symbol_columns = drizzle_symbol(ctx, "drizzle:Columns");
    define_native(ctx, native, "fields", native_fields, 2);
    define_native(ctx, native, "row", native_row, 3);
}
