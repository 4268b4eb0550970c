/*
 * What Drizzle makes SQL of, in C: of https://github.com/drizzle-team/drizzle-orm/tree/main/drizzle-orm/src
 *
 *     sql`...`                         template    sql/sql.ts
 *     SQLiteDialect.buildSelection     selection   sqlite-core/dialect.ts, where all fields are columns
 *     SQLiteDialect.buildSelectQuery   others      there: its look at columns of tables that are not joined
 *
 * Objects are made like a model, which Drizzle's own constructor made: with its class and its properties.
 */

#include <string.h>

#include "drizzle.h"
#include "engine.h"

static JSAtom decoder_name, field_name, table_name, type_name;
static JSAtom symbol_schema, symbol_name;

/* sql`...`. */

enum { CHUNK_MODEL, SQL_MODEL, NAME_MODEL, MODELS };

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
    return JS_NewCFunctionData2(ctx, template, "sql", 1, 0, NAME_MODEL, arguments);
}

/* Selections. */

/* new Name(text), which it takes */
static JSValue new_name(JSContext *ctx, JSValueConst model, JSValue text)
{
    if (JS_IsException(text))
        return text;
    JSValue values[] = {JS_UNDEFINED, text};
    return engine_like(ctx, model, 2, values);
}

/* Whether a column is read as text: this is a look at its type alone. */
static int is_big(JSContext *ctx, JSValueConst column)
{
    JSValue type = JS_GetProperty(ctx, column, type_name);
    const char *text = JS_IsString(type) ? JS_ToCString(ctx, type) : NULL;
    int is = JS_IsException(type) ? -1 : text && strcmp(text, "SQLiteNumericBigInt") == 0;
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, type);
    return is;
}

/* fields[index].field, if it is a column that needs nothing else; undefined if not. */
static JSValue plain_column(JSContext *ctx, JSValueConst fields, int64_t index)
{
    unsigned kinds;
    JSValue entry = JS_GetPropertyInt64(ctx, fields, index);
    JSValue field = JS_IsException(entry) ? entry : JS_GetProperty(ctx, entry, field_name);
    JS_FreeValue(ctx, entry);
    if (JS_IsException(field))
        return field;
    int big = drizzle_kinds(ctx, field, &kinds) ? -1 : IS(kinds, COLUMN) ? is_big(ctx, field) : 1;
    if (big == 0)
        return field;
    JS_FreeValue(ctx, field);
    return big < 0 ? JS_EXCEPTION : JS_UNDEFINED;
}

static JSValue text_chunk(JSContext *ctx, JSValueConst *models, const char *text)
{
    return new_chunk(ctx, models[CHUNK_MODEL], JS_NewString(ctx, text));
}

/* sql`${name of its table}.${its name}`. Takes `name`. */
static JSValue with_table(JSContext *ctx, JSValueConst *models, JSValueConst column, JSValue name)
{
    JSValue table = JS_GetProperty(ctx, column, table_name);
    JSValue of = JS_IsException(table) ? table : JS_GetProperty(ctx, table, symbol_name);
    JS_FreeValue(ctx, table);
    JSValue chunks[] = {text_chunk(ctx, models, ""), new_name(ctx, models[NAME_MODEL], of), text_chunk(ctx, models, "."), name,
                        text_chunk(ctx, models, "")};
    for (int i = 0; i < 5; i++) {
        if (JS_IsException(chunks[i])) {
            for (int j = 0; j < 5; j++)
                JS_FreeValue(ctx, chunks[j]);
            return JS_EXCEPTION;
        }
    }
    return new_sql(ctx, models[SQL_MODEL], 5, chunks);
}

static JSValue comma(JSContext *ctx, JSValueConst *models)
{
    JSValue chunk = text_chunk(ctx, models, ", ");
    return JS_IsException(chunk) ? chunk : new_sql(ctx, models[SQL_MODEL], 1, &chunk);
}

/* A column of a selection. Takes `column`. */
static JSValue selected(JSContext *ctx, JSValueConst *models, JSValueConst casing, JSValue column, bool single)
{
    JSValue name = new_name(ctx, models[NAME_MODEL], drizzle_column_name(ctx, casing, column));
    if (!single && !JS_IsException(name))
        name = with_table(ctx, models, column, name);
    JS_FreeValue(ctx, column);
    return name;
}

/* Puts the chunks of a selection into `chunks`. 1: done; 0: a field is no plain column; -1: an exception. */
static int select_columns(JSContext *ctx, JSValueConst *models, JSValueConst *arguments, int64_t columns, JSValue *chunks, int *made)
{
    bool single = JS_ToBool(ctx, arguments[2]);
    for (int64_t i = 0; i < columns; i++) {
        JSValue column = plain_column(ctx, arguments[1], i);
        if (!JS_IsObject(column))
            return JS_IsException(column) ? -1 : 0;
        if (i > 0 && JS_IsException(chunks[(*made)++] = comma(ctx, models))) {
            JS_FreeValue(ctx, column);
            return -1;
        }
        if (JS_IsException(chunks[(*made)++] = selected(ctx, models, arguments[0], column, single)))
            return -1;
    }
    return 1;
}

/* selection(casing, fields, single): SQL; undefined where not all fields are plain columns */
static JSValue selection(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments, int magic, JSValueConst *models)
{
    int64_t columns;
    int made = 0;
    if (JS_GetLength(ctx, arguments[1], &columns))
        return JS_EXCEPTION;
    if (columns == 0)
        return JS_UNDEFINED;
    JSValue *chunks = js_malloc(ctx, (2 * columns) * sizeof *chunks);
    if (!chunks)
        return JS_EXCEPTION;
    int done = select_columns(ctx, models, arguments, columns, chunks, &made);
    JSValue result = done > 0 ? new_sql(ctx, models[SQL_MODEL], made, chunks) : done < 0 ? JS_EXCEPTION : JS_UNDEFINED;
    for (int i = 0; i < made && done <= 0; i++)
        JS_FreeValue(ctx, chunks[i]);
    js_free(ctx, chunks);
    return result;
}

/* selection(a StringChunk, an SQL, a Name): selection */
static JSValue native_selection(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    return JS_NewCFunctionData2(ctx, selection, "selection", 3, 0, MODELS, arguments);
}

/* Fields of other tables. */

/* Whether fields[index] is a column of this very table. */
static int is_own(JSContext *ctx, JSValueConst entry, JSValueConst table)
{
    unsigned kinds;
    JSValue field = JS_GetProperty(ctx, entry, field_name);
    int is = JS_IsException(field) || drizzle_kinds(ctx, field, &kinds) ? -1 : IS(kinds, COLUMN);
    if (is > 0) {
        JSValue its = JS_GetProperty(ctx, field, table_name);
        is = JS_IsException(its) ? -1 : JS_IsStrictEqual(ctx, its, table);
        JS_FreeValue(ctx, its);
    }
    JS_FreeValue(ctx, field);
    return is;
}

/* others(fields, table): the fields that are not columns of `table`, which buildSelectQuery has to look at */
static JSValue native_others(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    unsigned kinds;
    int64_t length;
    uint32_t others = 0;
    if (JS_GetLength(ctx, arguments[0], &length) || drizzle_kinds(ctx, arguments[1], &kinds))
        return JS_EXCEPTION;
    if (!IS(kinds, TABLE))
        return JS_DupValue(ctx, arguments[0]);
    JSValue list = JS_NewArray(ctx);
    for (int64_t i = 0; i < length; i++) {
        JSValue entry = JS_GetPropertyInt64(ctx, arguments[0], i);
        int own = JS_IsException(entry) ? -1 : is_own(ctx, entry, arguments[1]);
        if (own == 0) {
            JS_DefinePropertyValueUint32(ctx, list, others++, entry, JS_PROP_C_W_E);
            continue;
        }
        JS_FreeValue(ctx, entry);
        if (own < 0) {
            JS_FreeValue(ctx, list);
            return JS_EXCEPTION;
        }
    }
    return list;
}

void parts_define(JSContext *ctx, JSValueConst native)
{
    decoder_name = JS_NewAtom(ctx, "decoder");
    field_name = JS_NewAtom(ctx, "field");
    table_name = JS_NewAtom(ctx, "table");
    type_name = JS_NewAtom(ctx, "columnType");
    symbol_schema = drizzle_symbol(ctx, "drizzle:Schema");
    symbol_name = drizzle_symbol(ctx, "drizzle:Name");
    define_native(ctx, native, "template", native_template, 2);
    define_native(ctx, native, "selection", native_selection, 3);
    define_native(ctx, native, "others", native_others, 2);
}
