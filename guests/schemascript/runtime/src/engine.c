/*
 * QuickJS as one translation unit, so that two things can be set that its WASI build leaves out:
 *
 * - The limit on the stack. QuickJS measures by an address on the stack in linear memory. With `__wasi__` defined it does not.
 * - The seed of Math.random(), which is a private field.
 */

#include "cutils.h" /* while __wasi__ is defined: no threads */
#include <sys/time.h>
#include <time.h>

/*
 * That address. Some of QuickJS's functions take little of the stack in linear memory, but much of the sandbox's own, which
 * nobody can see. So each function that measures takes STACK_BIT bytes more of the one, to keep step with the other.
 */
#define __builtin_frame_address(level) ({ volatile char bit[STACK_BIT]; bit[0] = 0; (void *)bit; })

#undef __wasi__
#define __STDC_NO_ATOMICS__ 1

#include "quickjs.c"

#include "engine.h"

void engine_seed_random(JSContext *ctx, uint64_t seed)
{
    ctx->random_state = seed ? seed : 1; /* xorshift stays at zero for ever */
}

bool engine_stack_is_full(JSContext *ctx)
{
    if (!js_check_stack_overflow(ctx->rt, 0))
        return false;
    JS_ThrowStackOverflow(ctx);
    return true;
}

JSValueConst engine_constructor(JSValueConst value)
{
    JSObject *object = JS_VALUE_GET_OBJ(value), *prototype = object->shape->proto;
    JSProperty *property;
    if (object->class_id == JS_CLASS_PROXY || !prototype || prototype->class_id == JS_CLASS_PROXY)
        return JS_UNDEFINED;
    JSShapeProperty *is = find_own_property(&property, prototype, JS_ATOM_constructor);
    if (!is || (is->flags & JS_PROP_TMASK) != JS_PROP_NORMAL)
        return JS_UNDEFINED;
    return property->u.value;
}

JSValue engine_like(JSContext *ctx, JSValueConst model, int count, JSValue *values)
{
    JSShape *shape = JS_VALUE_GET_OBJ(model)->shape;
    JSValue made = shape->prop_count == count ? JS_NewObjectFromShape(ctx, js_dup_shape(shape), JS_CLASS_OBJECT, NULL)
                                              : JS_ThrowInternalError(ctx, "an object has other properties than its model");
    if (JS_IsException(made)) {
        for (int i = 0; i < count; i++)
            JS_FreeValue(ctx, values[i]);
        return made;
    }
    JSProperty *properties = JS_VALUE_GET_OBJ(made)->prop;
    for (int i = 0; i < count; i++)
        properties[i].u.value = values[i];
    return made;
}

_Static_assert(sizeof(StringBuffer) <= sizeof(struct engine_text), "a text has room for QuickJS's buffer");

static StringBuffer *buffer_of(struct engine_text *text)
{
    return (StringBuffer *)text->room;
}

void engine_text_begin(JSContext *ctx, struct engine_text *text)
{
    string_buffer_init(ctx, buffer_of(text), 256);
}

void engine_text_add(struct engine_text *text, JSValueConst string)
{
    string_buffer_concat_value(buffer_of(text), string);
}

void engine_text_put(struct engine_text *text, const char *ascii)
{
    string_buffer_puts8(buffer_of(text), ascii);
}

bool engine_text_add_quoted(struct engine_text *text, JSValueConst string, char quote)
{
    StringBuffer *buffer = buffer_of(text);
    if (JS_VALUE_GET_TAG(string) != JS_TAG_STRING)
        return false;
    JSString *it = JS_VALUE_GET_STRING(string);
    uint32_t from = 0;
    string_buffer_putc8(buffer, quote);
    for (uint32_t at = 0; at < it->len; at++) {
        if (string_get(it, at) == (uint8_t)quote) {
            string_buffer_concat(buffer, it, from, at + 1);
            from = at;
        }
    }
    string_buffer_concat(buffer, it, from, it->len);
    string_buffer_putc8(buffer, quote);
    return true;
}

JSValue engine_text_end(struct engine_text *text)
{
    return string_buffer_end(buffer_of(text));
}

void engine_text_drop(struct engine_text *text)
{
    string_buffer_free(buffer_of(text));
}
