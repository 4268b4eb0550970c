/*
 * Drizzle's is(value, type), https://github.com/drizzle-team/drizzle-orm/blob/main/drizzle-orm/src/entity.ts, in C.
 *
 * Drizzle asks it of each part of a query, of one class after the other: in an interpreter that is half of what building a
 * query costs. `schemascript build` puts this one in its place (src/build/bundle.ts).
 */

#include "guest.h"

static JSAtom kind_name, constructor_name;

/* The kind of a class: its own, or one that it inherits. */
static JSValue kind_of(JSContext *ctx, JSValueConst class)
{
    return JS_GetProperty(ctx, class, kind_name);
}

/* Replaces `*value` with its prototype. -1: an exception. */
static int to_prototype(JSContext *ctx, JSValue *value)
{
    JSValue prototype = JS_GetPrototype(ctx, *value);
    JS_FreeValue(ctx, *value);
    *value = prototype;
    return JS_IsException(prototype) ? -1 : 0;
}

/* Whether `class`, or one that it extends, is of `kind`. -1: an exception. Frees `class`. */
static int extends(JSContext *ctx, JSValue class, JSValueConst kind)
{
    int found = 0;
    while (!found && JS_IsObject(class)) {
        JSValue its = kind_of(ctx, class);
        found = JS_IsException(its) ? -1 : JS_IsStrictEqual(ctx, its, kind);
        JS_FreeValue(ctx, its);
        if (!found && to_prototype(ctx, &class))
            return -1;
    }
    JS_FreeValue(ctx, class);
    return found;
}

/* is(value, type): boolean */
static JSValue native_is(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    if (!JS_IsObject(arguments[0]) || JS_IsFunction(ctx, arguments[0]))
        return JS_FALSE;
    JSValue kind = kind_of(ctx, arguments[1]);
    if (JS_IsException(kind))
        return kind;
    if (JS_IsUndefined(kind))
        return JS_ThrowTypeError(ctx, "a class that is asked for is none of Drizzle's");
    JSValue value = JS_DupValue(ctx, arguments[0]);
    int found = to_prototype(ctx, &value);
    if (!found && JS_IsObject(value)) {
        JSValue class = JS_GetProperty(ctx, value, constructor_name);
        found = JS_IsException(class) ? -1 : extends(ctx, class, kind);
    }
    JS_FreeValue(ctx, value);
    JS_FreeValue(ctx, kind);
    return found < 0 ? JS_EXCEPTION : JS_NewBool(ctx, found);
}

void drizzle_define(JSContext *ctx, JSValueConst native)
{
    JSValue symbol = JS_NewSymbol(ctx, "drizzle:entityKind", true);
    kind_name = JS_ValueToAtom(ctx, symbol);
    JS_FreeValue(ctx, symbol);
    constructor_name = JS_NewAtom(ctx, "constructor");
    define_native(ctx, native, "is", native_is, 2);
}
