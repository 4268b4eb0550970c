/*
 * Drizzle's test of classes in C: is(value, type),
 * https://github.com/drizzle-team/drizzle-orm/blob/main/drizzle-orm/src/entity.ts.
 *
 * Drizzle asks it of each part of a query, of one class after the other: in an interpreter that is half of what building a
 * query costs. `schemascript build` puts this one in its place (src/build/drizzle.ts).
 *
 * What a class is does not change, so answers are kept: for each class and type that was asked for (`answers`), and for each
 * class which of those that make up a query it is (`classes`). Both hold on to what they have as keys, so that no other object
 * comes to have the same address.
 */

#include "drizzle.h"
#include "engine.h"

static JSAtom kind_name, constructor_name;

#define ANSWERS 512
static struct answer {
    JSValue class, type;
    bool is;
} answers[ANSWERS];

#define CLASSES 128
static struct class {
    JSValue class;
    unsigned kinds;
} classes[CLASSES];

static const char *const KIND_NAMES[KINDS] = {
    "StringChunk", "Name", "SQL", "Table", "Column", "View", "Param", "Placeholder", "SQL.Aliased", "Subquery",
};
static JSValue kind_names[KINDS];

static size_t place(JSValueConst object)
{
    return (uintptr_t)JS_VALUE_GET_PTR(object) >> 3;
}

static bool same(JSValueConst a, JSValueConst b)
{
    return JS_IsObject(a) && JS_VALUE_GET_PTR(a) == JS_VALUE_GET_PTR(b);
}

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

/* The class of an object, or no object. */
static JSValue class_of(JSContext *ctx, JSValueConst object)
{
    JSValueConst simply = engine_constructor(object);
    if (JS_IsObject(simply))
        return JS_DupValue(ctx, simply);
    JSValue prototype = JS_GetPrototype(ctx, object);
    if (!JS_IsObject(prototype))
        return prototype;
    JSValue class = JS_GetProperty(ctx, prototype, constructor_name);
    JS_FreeValue(ctx, prototype);
    return class;
}

/* Whether `class`, or one that it extends, is of `kind`. -1: an exception. */
static int extends(JSContext *ctx, JSValueConst of, JSValueConst kind)
{
    int found = 0;
    JSValue class = JS_DupValue(ctx, of);
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

static int compare(JSContext *ctx, JSValueConst class, JSValueConst type)
{
    JSValue kind = kind_of(ctx, type);
    if (JS_IsUndefined(kind)) {
        JS_ThrowTypeError(ctx, "a class that is asked for is none of Drizzle's");
        return -1;
    }
    int found = JS_IsException(kind) ? -1 : extends(ctx, class, kind);
    JS_FreeValue(ctx, kind);
    return found;
}

static int answer(JSContext *ctx, JSValueConst class, JSValueConst type)
{
    struct answer *known = &answers[(place(class) ^ place(type) * 7) % ANSWERS];
    if (same(known->class, class) && same(known->type, type))
        return known->is;
    int found = compare(ctx, class, type);
    if (found >= 0 && JS_IsObject(class) && JS_IsObject(type)) {
        JS_FreeValue(ctx, known->class);
        JS_FreeValue(ctx, known->type);
        *known = (struct answer){JS_DupValue(ctx, class), JS_DupValue(ctx, type), found};
    }
    return found;
}

/* is(value, type): boolean */
static JSValue native_is(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    if (!JS_IsObject(arguments[0]) || JS_IsFunction(ctx, arguments[0]))
        return JS_FALSE;
    JSValue class = class_of(ctx, arguments[0]);
    int found = JS_IsException(class) ? -1 : answer(ctx, class, arguments[1]);
    JS_FreeValue(ctx, class);
    return found < 0 ? JS_EXCEPTION : JS_NewBool(ctx, found);
}

static int kinds_of_class(JSContext *ctx, JSValueConst class, unsigned *kinds)
{
    *kinds = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        int found = extends(ctx, class, kind_names[kind]);
        if (found < 0)
            return -1;
        *kinds |= (unsigned)found << kind;
    }
    return 0;
}

int drizzle_kinds(JSContext *ctx, JSValueConst value, unsigned *kinds)
{
    *kinds = 0;
    if (!JS_IsObject(value) || JS_IsFunction(ctx, value))
        return 0;
    JSValue class = class_of(ctx, value);
    if (JS_IsException(class))
        return -1;
    struct class *known = &classes[place(class) % CLASSES];
    int failed = 0;
    if (same(known->class, class)) {
        *kinds = known->kinds;
    } else if (JS_IsObject(class) && (failed = kinds_of_class(ctx, class, kinds)) == 0) {
        JS_FreeValue(ctx, known->class);
        *known = (struct class){JS_DupValue(ctx, class), *kinds};
    }
    JS_FreeValue(ctx, class);
    return failed;
}

JSAtom drizzle_symbol(JSContext *ctx, const char *name)
{
    JSValue symbol = JS_NewSymbol(ctx, name, true);
    JSAtom atom = JS_ValueToAtom(ctx, symbol);
    JS_FreeValue(ctx, symbol);
    return atom;
}

void drizzle_define(JSContext *ctx, JSValueConst native)
{
    kind_name = drizzle_symbol(ctx, "drizzle:entityKind");
    constructor_name = JS_NewAtom(ctx, "constructor");
    for (int kind = 0; kind < KINDS; kind++)
        kind_names[kind] = JS_NewString(ctx, KIND_NAMES[kind]);
    for (int i = 0; i < ANSWERS; i++)
        answers[i].class = answers[i].type = JS_UNDEFINED;
    for (int i = 0; i < CLASSES; i++)
        classes[i].class = JS_UNDEFINED;
    define_native(ctx, native, "is", native_is, 2);
    query_define(ctx, native);
    parts_define(ctx, native);
    rows_define(ctx, native);
}
