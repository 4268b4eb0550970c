/* The parts of the glue, and what each gives to the others. */

#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

struct buffer {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

/* Adds `native.<name>`. */
void define_native(JSContext *ctx, JSValueConst native, const char *name, JSCFunction *function, int arguments);

/* loop.c: promise jobs, timers, rejections nobody handles. */

enum loop_end {
    LOOP_DONE,   /* the promise is settled; without one: nothing is left to do */
    LOOP_STUCK,  /* nothing can run, and the promise is still pending */
    LOOP_FAILED, /* an exception, or a rejection that nobody handles: `*error` is the caller's to free */
};

/* `timers` is the prelude's object: delay() gives the milliseconds until the next is due, or -1; run() runs those due. */
void loop_init(JSContext *ctx, JSValue timers);
enum loop_end loop_run(JSContext *ctx, JSValueConst promise, JSValue *error);

/* host.c: SQL, requests and answers. */

void host_define(JSContext *ctx, JSValueConst native);
/* The request that waits, as text, or as Uint8Array if it is not UTF-8. */
JSValue host_request(JSContext *ctx, uint32_t length);
/* A text, a Uint8Array, or NULL for anything else. -1: an exception. */
int host_answer(JSContext *ctx, JSValueConst body);
void host_answer_error(const char *text, size_t length);

/* drizzle.c: Drizzle's test of classes. */

void drizzle_define(JSContext *ctx, JSValueConst native);

/* platform.c: output, input, clock, randomness, arguments, environment, UTF-8. */

void platform_define(JSContext *ctx, JSValueConst native);
void platform_write(int file, const char *bytes, size_t length);
/* The standard input, to its end, with room for a zero after it. False: out of memory. */
bool platform_read(struct buffer *all);
uint64_t platform_seed(void);
void platform_sleep(double milliseconds);
bool platform_is_utf8(const uint8_t *bytes, size_t length);

/* msgpack.c: values as the host's MessagePack and back. */

/* Each throws and returns -1 where it cannot. */
int buffer_reserve(JSContext *ctx, struct buffer *buffer, size_t more);
int pack_map(JSContext *ctx, struct buffer *out, uint32_t count);
int pack_key(JSContext *ctx, struct buffer *out, const char *key);
/* Any value: objects are maps, arrays lists. */
int pack_value(JSContext *ctx, struct buffer *out, JSValueConst value);
/* The parameters of a statement: values that SQLite has, and dates. */
int pack_parameters(JSContext *ctx, struct buffer *out, JSValueConst list);
JSValue unpack(JSContext *ctx, const uint8_t *bytes, size_t length);

#endif
