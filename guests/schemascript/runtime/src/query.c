/*
 * Drizzle's SQL.prototype.buildQueryFromSourceParams in C: a tree of chunks becomes text and parameters. See
 * https://github.com/drizzle-team/drizzle-orm/blob/main/drizzle-orm/src/sql/sql.ts.
 *
 * It does what that does, step by step, with the same calls of methods that a program can have made its own: encoders, getSQL,
 * the casing. Only with the config of SQLite's dialect; for others it gives undefined, before it has called anything, and Drizzle's own goes on.
 */

#include <string.h>

#include "drizzle.h"
#include "engine.h"

static struct names {
    JSAtom value, query_chunks, should_inline, name, key_as_name, table, encoder, to_driver, field_alias, subquery, is_with, alias, sql, get_sql,
        omit_parens, casing, column_casing, escape_name, escape_param, prepare_typing, param_start, inline_params, invoke_source, map_inline, schema,
        is_alias, enum_name, params, typings, cache;
    JSAtom symbol_schema, symbol_name, symbol_is_alias, symbol_view, symbol_enum;
} names;

/* The dialect's escapeName and escapeParam, which native_build knows. */
static JSValue escape_name, escape_param;

/* Names of columns. */

#define COLUMNS 256
static struct column {
    JSValue cache, column, name;
} columns[COLUMNS];

static bool same(JSValueConst a, JSValueConst b)
{
    return JS_IsObject(a) && JS_IsObject(b) && JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
}

/* The name of a column that has none of its own, by the casing's table of them, which clearCache() makes anew. */
static JSValue cased_name(JSContext *ctx, JSValueConst casing, JSValueConst column)
{
    JSValue cache = JS_GetProperty(ctx, casing, names.cache);
    struct column *known = &columns[((uintptr_t)JS_VALUE_GET_PTR(column) >> 3) % COLUMNS];
    if (same(known->cache, cache) && same(known->column, column)) {
        JS_FreeValue(ctx, cache);
        return JS_DupValue(ctx, known->name);
    }
    JSValue name = JS_IsException(cache) ? cache : JS_Invoke(ctx, casing, names.column_casing, 1, &column);
    if (JS_IsString(name) && JS_IsObject(cache)) {
        struct column before = *known;
        *known = (struct column){cache, JS_DupValue(ctx, column), JS_DupValue(ctx, name)};
        cache = before.cache;
        JS_FreeValue(ctx, before.column);
        JS_FreeValue(ctx, before.name);
    }
    JS_FreeValue(ctx, cache);
    return name;
}

JSValue drizzle_column_name(JSContext *ctx, JSValueConst casing, JSValueConst column)
{
    JSValue as_key = JS_GetProperty(ctx, column, names.key_as_name);
    if (JS_IsException(as_key))
        return as_key;
    int cased = JS_ToBool(ctx, as_key);
    JS_FreeValue(ctx, as_key);
    return cased ? cased_name(ctx, casing, column) : JS_GetProperty(ctx, column, names.name);
}

/* Building. */

struct query {
    JSContext *ctx;
    struct engine_text text;
    JSValueConst self, config;
    JSValue casing, params;
    uint32_t count;
    bool for_index;
};

static int add(struct query *query, JSValueConst chunk, bool inlined);

static JSValue get(struct query *query, JSValueConst object, JSAtom name)
{
    return JS_GetProperty(query->ctx, object, name);
}

/* A text for `value`, which it takes. */
static int put(struct query *query, JSValue value)
{
    if (JS_IsException(value))
        return -1;
    engine_text_add(&query->text, value);
    JS_FreeValue(query->ctx, value);
    return 0;
}

/* escapeName(name), which it takes. */
static int put_name(struct query *query, JSValue name)
{
    if (JS_IsException(name))
        return -1;
    int failed = 0;
    if (!engine_text_add_quoted(&query->text, name, '"'))
        failed = put(query, JS_Call(query->ctx, escape_name, JS_UNDEFINED, 1, (JSValueConst *)&name));
    JS_FreeValue(query->ctx, name);
    return failed;
}

/* A parameter, which it takes. */
static int put_param(struct query *query, JSValue value)
{
    engine_text_put(&query->text, "?");
    return JS_DefinePropertyValueUint32(query->ctx, query->params, query->count++, value, JS_PROP_C_W_E) < 0 ? -1 : 0;
}

/* Adds `part`, which it takes. */
static int add_part(struct query *query, JSValue part, bool inlined)
{
    int failed = JS_IsException(part) ? -1 : add(query, part, inlined);
    JS_FreeValue(query->ctx, part);
    return failed;
}

static int add_all(struct query *query, JSValueConst list, const char *between, bool inlined)
{
    int64_t length;
    if (JS_GetLength(query->ctx, list, &length))
        return -1;
    for (int64_t i = 0; i < length; i++) {
        if (i > 0 && between)
            engine_text_put(&query->text, between);
        if (add_part(query, JS_GetPropertyInt64(query->ctx, list, i), inlined))
            return -1;
    }
    return 0;
}

/* The value of StringChunk: texts without anything between them. */
static int add_texts(struct query *query, JSValueConst chunk)
{
    int64_t length;
    JSValue texts = get(query, chunk, names.value);
    int failed = JS_IsException(texts) || JS_GetLength(query->ctx, texts, &length) ? -1 : 0;
    for (int64_t i = 0; !failed && i < length; i++) {
        JSValue text = JS_GetPropertyInt64(query->ctx, texts, i);
        if (!JS_IsUndefined(text) && !JS_IsNull(text))
            failed = put(query, text);
    }
    JS_FreeValue(query->ctx, texts);
    return failed;
}

/* The schema with a point, if there is one and `plain` is false. */
static int put_schema(struct query *query, JSValue schema, bool plain)
{
    if (JS_IsException(schema))
        return -1;
    if (JS_IsUndefined(schema) || plain) {
        JS_FreeValue(query->ctx, schema);
        return 0;
    }
    if (put_name(query, schema))
        return -1;
    engine_text_put(&query->text, ".");
    return 0;
}

/* Whether a property is true. -1: an exception. */
static int holds(struct query *query, JSValueConst object, JSAtom name)
{
    JSValue value = get(query, object, name);
    if (JS_IsException(value))
        return -1;
    int is = JS_ToBool(query->ctx, value);
    JS_FreeValue(query->ctx, value);
    return is;
}

static int add_table(struct query *query, JSValueConst table)
{
    int alias = holds(query, table, names.symbol_is_alias);
    if (alias < 0 || put_schema(query, get(query, table, names.symbol_schema), alias))
        return -1;
    return put_name(query, get(query, table, names.symbol_name));
}

static int add_column(struct query *query, JSValueConst column)
{
    JSValue name = drizzle_column_name(query->ctx, query->casing, column);
    if (JS_IsException(name) || query->for_index)
        return put_name(query, name);
    JSValue table = get(query, column, names.table);
    int failed = JS_IsException(table) ? -1 : add_table(query, table);
    JS_FreeValue(query->ctx, table);
    if (failed) {
        JS_FreeValue(query->ctx, name);
        return -1;
    }
    engine_text_put(&query->text, ".");
    return put_name(query, name);
}

static int add_view(struct query *query, JSValueConst view)
{
    JSValue config = get(query, view, names.symbol_view);
    int alias = JS_IsException(config) ? -1 : holds(query, config, names.is_alias);
    int failed = alias < 0 || put_schema(query, get(query, config, names.schema), alias) || put_name(query, get(query, config, names.name));
    JS_FreeValue(query->ctx, config);
    return failed ? -1 : 0;
}

static int put_inline(struct query *query, JSValueConst value)
{
    JSValueConst arguments[] = {value, query->config};
    return put(query, JS_Invoke(query->ctx, query->self, names.map_inline, 2, arguments));
}

static int add_value(struct query *query, JSValueConst value, bool inlined)
{
    return inlined ? put_inline(query, value) : put_param(query, JS_DupValue(query->ctx, value));
}

static JSValue encoded(struct query *query, JSValueConst param, JSValueConst value)
{
    if (JS_IsNull(value))
        return JS_NULL;
    JSValue encoder = get(query, param, names.encoder);
    JSValue result = JS_IsException(encoder) ? encoder : JS_Invoke(query->ctx, encoder, names.to_driver, 1, &value);
    JS_FreeValue(query->ctx, encoder);
    return result;
}

static int add_param(struct query *query, JSValueConst param, bool inlined)
{
    unsigned kinds;
    JSValue value = get(query, param, names.value);
    if (JS_IsException(value) || drizzle_kinds(query->ctx, value, &kinds)) {
        JS_FreeValue(query->ctx, value);
        return -1;
    }
    if (IS(kinds, PLACEHOLDER)) {
        JS_FreeValue(query->ctx, value);
        return put_param(query, JS_DupValue(query->ctx, param));
    }
    JSValue mapped = encoded(query, param, value);
    JS_FreeValue(query->ctx, value);
    if (JS_IsException(mapped) || drizzle_kinds(query->ctx, mapped, &kinds)) {
        JS_FreeValue(query->ctx, mapped);
        return -1;
    }
    int failed = IS(kinds, SQL) ? add(query, mapped, inlined) : add_value(query, mapped, inlined);
    JS_FreeValue(query->ctx, mapped);
    return failed;
}

static int add_subquery(struct query *query, JSValueConst chunk, bool inlined)
{
    JSValue subquery = get(query, chunk, names.subquery);
    int with = JS_IsException(subquery) ? -1 : holds(query, subquery, names.is_with);
    int failed = with < 0;
    if (with == 0) {
        engine_text_put(&query->text, "(");
        failed = add_part(query, get(query, subquery, names.sql), inlined);
        engine_text_put(&query->text, ") ");
    }
    failed = failed || put_name(query, get(query, subquery, names.alias));
    JS_FreeValue(query->ctx, subquery);
    return failed ? -1 : 0;
}

static int add_sql(struct query *query, JSValueConst sql, bool inlined)
{
    int its = holds(query, sql, names.should_inline);
    JSValue chunks = its < 0 ? JS_EXCEPTION : get(query, sql, names.query_chunks);
    int failed = JS_IsException(chunks) ? -1 : add_all(query, chunks, NULL, inlined || its);
    JS_FreeValue(query->ctx, chunks);
    return failed;
}

/* An object with getSQL(), which `function` is. */
static int add_wrapper(struct query *query, JSValueConst wrapper, JSValueConst function, bool inlined)
{
    int bare = 0;
    JSValue asks = get(query, wrapper, names.omit_parens);
    if (!JS_IsUndefined(asks) && !JS_IsNull(asks)) {
        JSValue answer = JS_IsException(asks) ? asks : JS_Call(query->ctx, asks, wrapper, 0, NULL);
        JS_FreeValue(query->ctx, asks);
        if (JS_IsException(answer))
            return -1;
        bare = JS_ToBool(query->ctx, answer);
        JS_FreeValue(query->ctx, answer);
    }
    if (!bare)
        engine_text_put(&query->text, "(");
    int failed = add_part(query, JS_Call(query->ctx, function, wrapper, 0, NULL), inlined);
    if (!bare)
        engine_text_put(&query->text, ")");
    return failed;
}

/* Of Postgres, which SQLite's programs do not have. */
static int add_enum(struct query *query, JSValueConst chunk)
{
    int schema = holds(query, chunk, names.schema);
    if (schema < 0 || put_schema(query, schema ? get(query, chunk, names.schema) : JS_UNDEFINED, false))
        return -1;
    return put_name(query, get(query, chunk, names.enum_name));
}

/* What is none of Drizzle's classes, or an alias without a name. */
static int add_other(struct query *query, JSValueConst chunk, bool inlined)
{
    if (!JS_IsObject(chunk))
        return add_value(query, chunk, inlined);
    if (JS_IsFunction(query->ctx, chunk)) {
        JSValue is = get(query, chunk, names.symbol_enum);
        JS_FreeValue(query->ctx, is);
        if (JS_IsException(is))
            return -1;
        if (JS_IsBool(is) && JS_VALUE_GET_BOOL(is))
            return add_enum(query, chunk);
    }
    JSValue function = get(query, chunk, names.get_sql);
    if (JS_IsException(function))
        return -1;
    int failed = JS_IsFunction(query->ctx, function) ? add_wrapper(query, chunk, function, inlined) : add_value(query, chunk, inlined);
    JS_FreeValue(query->ctx, function);
    return failed;
}

/* In the order in which Drizzle asks. */
static int add(struct query *query, JSValueConst chunk, bool inlined)
{
    unsigned kinds;
    if (JS_IsUndefined(chunk))
        return 0;
    if (engine_stack_is_full(query->ctx) || drizzle_kinds(query->ctx, chunk, &kinds))
        return -1;
    if (IS(kinds, STRING_CHUNK))
        return add_texts(query, chunk);
    if (IS(kinds, NAME))
        return put_name(query, get(query, chunk, names.value));
    if (JS_IsArray(chunk)) {
        engine_text_put(&query->text, "(");
        int failed = add_all(query, chunk, ", ", inlined);
        engine_text_put(&query->text, ")");
        return failed;
    }
    if (IS(kinds, SQL))
        return add_sql(query, chunk, inlined);
    if (IS(kinds, TABLE))
        return add_table(query, chunk);
    if (IS(kinds, COLUMN))
        return add_column(query, chunk);
    if (IS(kinds, VIEW))
        return add_view(query, chunk);
    if (IS(kinds, PARAM))
        return add_param(query, chunk, inlined);
    if (IS(kinds, PLACEHOLDER))
        return put_param(query, JS_DupValue(query->ctx, chunk));
    if (IS(kinds, ALIASED)) {
        JSValue alias = get(query, chunk, names.field_alias);
        if (!JS_IsUndefined(alias))
            return put_name(query, alias);
    }
    if (IS(kinds, SUBQUERY))
        return add_subquery(query, chunk, inlined);
    return add_other(query, chunk, inlined);
}

/* Whether a property is this very function. */
static bool has_function(struct query *query, JSAtom name, JSValueConst function)
{
    JSValue its = get(query, query->config, name);
    bool is = same(its, function);
    JS_FreeValue(query->ctx, its);
    return is;
}

static bool lacks(struct query *query, JSAtom name)
{
    JSValue value = get(query, query->config, name);
    JS_FreeValue(query->ctx, value);
    return JS_IsUndefined(value);
}

/* {sql, params, typings?} */
static JSValue built(struct query *query)
{
    JSContext *ctx = query->ctx;
    JSValue text = engine_text_end(&query->text);
    if (JS_IsException(text)) {
        JS_FreeValue(ctx, query->params);
        return text;
    }
    JSValue result = JS_NewObject(ctx);
    JS_DefinePropertyValue(ctx, result, names.sql, text, JS_PROP_C_W_E);
    JS_DefinePropertyValue(ctx, result, names.params, query->params, JS_PROP_C_W_E);
    if (query->count > 0) {
        JSValue typings = JS_NewArray(ctx);
        for (uint32_t i = 0; i < query->count; i++)
            JS_DefinePropertyValueUint32(ctx, typings, i, JS_NewString(ctx, "none"), JS_PROP_C_W_E);
        JS_DefinePropertyValue(ctx, result, names.typings, typings, JS_PROP_C_W_E);
    }
    return result;
}

static bool is_for_index(struct query *query)
{
    JSValue source = get(query, query->config, names.invoke_source);
    if (!JS_IsString(source)) {
        JS_FreeValue(query->ctx, source);
        return false;
    }
    const char *text = JS_ToCString(query->ctx, source);
    bool is = text && strcmp(text, "indexes") == 0;
    JS_FreeCString(query->ctx, text);
    JS_FreeValue(query->ctx, source);
    return is;
}

/* build(sql, chunks, config): query, or undefined if the config is not that of SQLite's dialect */
static JSValue native_build(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    struct query query = {.ctx = ctx, .self = arguments[0], .config = arguments[2]};
    if (!has_function(&query, names.escape_name, escape_name) || !has_function(&query, names.escape_param, escape_param) ||
        !lacks(&query, names.prepare_typing) || !lacks(&query, names.param_start))
        return JS_UNDEFINED;
    int inlined = holds(&query, query.config, names.inline_params);
    if (inlined == 0)
        inlined = holds(&query, query.self, names.should_inline);
    query.casing = get(&query, query.config, names.casing);
    query.params = JS_NewArray(ctx);
    query.for_index = is_for_index(&query);
    engine_text_begin(ctx, &query.text);
    int failed = inlined < 0 || add_all(&query, arguments[1], NULL, inlined);
    JS_FreeValue(ctx, query.casing);
    if (!failed)
        return built(&query);
    engine_text_drop(&query.text);
    JS_FreeValue(ctx, query.params);
    return JS_EXCEPTION;
}

/* dialect(escapeName, escapeParam): what native_build takes for known */
static JSValue native_dialect(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    JS_FreeValue(ctx, escape_name);
    JS_FreeValue(ctx, escape_param);
    escape_name = JS_DupValue(ctx, arguments[0]);
    escape_param = JS_DupValue(ctx, arguments[1]);
    return JS_UNDEFINED;
}

void query_define(JSContext *ctx, JSValueConst native)
{
    static const struct {
        JSAtom *atom;
        const char *text;
    } texts[] = {
        {&names.value, "value"}, {&names.query_chunks, "queryChunks"}, {&names.should_inline, "shouldInlineParams"}, {&names.name, "name"},
        {&names.key_as_name, "keyAsName"}, {&names.table, "table"}, {&names.encoder, "encoder"}, {&names.to_driver, "mapToDriverValue"},
        {&names.field_alias, "fieldAlias"}, {&names.subquery, "_"}, {&names.is_with, "isWith"}, {&names.alias, "alias"}, {&names.sql, "sql"},
        {&names.get_sql, "getSQL"}, {&names.omit_parens, "shouldOmitSQLParens"}, {&names.casing, "casing"}, {&names.column_casing, "getColumnCasing"},
        {&names.escape_name, "escapeName"}, {&names.escape_param, "escapeParam"}, {&names.prepare_typing, "prepareTyping"},
        {&names.param_start, "paramStartIndex"}, {&names.inline_params, "inlineParams"}, {&names.invoke_source, "invokeSource"},
        {&names.map_inline, "mapInlineParam"}, {&names.schema, "schema"}, {&names.is_alias, "isAlias"}, {&names.enum_name, "enumName"},
        {&names.params, "params"}, {&names.typings, "typings"}, {&names.cache, "cache"},
    }, symbols[] = {
        {&names.symbol_schema, "drizzle:Schema"}, {&names.symbol_name, "drizzle:Name"}, {&names.symbol_is_alias, "drizzle:IsAlias"},
        {&names.symbol_view, "drizzle:ViewBaseConfig"}, {&names.symbol_enum, "drizzle:isPgEnum"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].atom = JS_NewAtom(ctx, texts[i].text);
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
        *symbols[i].atom = drizzle_symbol(ctx, symbols[i].text);
    escape_name = escape_param = JS_UNDEFINED;
    for (int i = 0; i < COLUMNS; i++)
        columns[i].cache = columns[i].column = columns[i].name = JS_UNDEFINED;
    define_native(ctx, native, "dialect", native_dialect, 2);
    define_native(ctx, native, "build", native_build, 3);
}
