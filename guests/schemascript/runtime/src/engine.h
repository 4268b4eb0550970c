/* What the glue needs of QuickJS beyond its public interface. */

#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

/* Math.random() of `ctx` goes on from `seed`. QuickJS seeds it once, which would be before the snapshot. */
void engine_seed_random(JSContext *ctx, uint64_t seed);

/* Whether the stack is used up; then there is an exception. For what recurses in C. */
bool engine_stack_is_full(JSContext *ctx);

/* Object.getPrototypeOf(value).constructor, borrowed; undefined where it takes more than a look at two objects. */
JSValueConst engine_constructor(JSValueConst value);

/* An object with the class and the properties of `model`, and these values, in their order, which it takes. */
JSValue engine_like(JSContext *ctx, JSValueConst model, int count, JSValue *values);

/* A text that is put together from others. After an error nothing is added any more, and the end is an exception. */
struct engine_text {
    void *room[8];
};
void engine_text_begin(JSContext *ctx, struct engine_text *text);
void engine_text_add(struct engine_text *text, JSValueConst string);
void engine_text_put(struct engine_text *text, const char *ascii);
/* In `quote`s, those inside doubled. False, and nothing is added: `string` is none, or one in several pieces. */
bool engine_text_add_quoted(struct engine_text *text, JSValueConst string, char quote);
JSValue engine_text_end(struct engine_text *text);
void engine_text_drop(struct engine_text *text);

#endif
