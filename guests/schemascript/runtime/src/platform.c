/* What a JavaScript program has around it, from WASI: output, input, time, randomness, arguments, environment; and UTF-8. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wasi/api.h>

#include "guest.h"

/* Output and input: without stdio, whose buffers and end-of-file marks a snapshot would keep. */

void platform_write(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        __wasi_ciovec_t part = {.buf = (const uint8_t *)bytes, .buf_len = length};
        __wasi_size_t written;
        if (__wasi_fd_write(file, &part, 1, &written) != 0 || written == 0)
            return; /* nobody listens */
        bytes += written;
        length -= written;
    }
}

/* write(file, text) */
static JSValue native_write(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    int32_t file;
    size_t length;
    if (JS_ToInt32(ctx, &file, arguments[0]))
        return JS_EXCEPTION;
    const char *text = JS_ToCStringLen(ctx, &length, arguments[1]);
    if (!text)
        return JS_EXCEPTION;
    platform_write(file, text, length);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

bool platform_read(struct buffer *all)
{
    for (;;) {
        if (all->capacity - all->length < 1 << 12) {
            size_t capacity = all->capacity ? all->capacity * 2 : 1 << 16;
            uint8_t *bytes = realloc(all->bytes, capacity);
            if (!bytes)
                return false;
            all->bytes = bytes;
            all->capacity = capacity;
        }
        __wasi_iovec_t part = {.buf = all->bytes + all->length, .buf_len = all->capacity - all->length};
        __wasi_size_t got;
        if (__wasi_fd_read(0, &part, 1, &got) != 0 || got == 0)
            return true;
        all->length += got;
    }
}

/* read(): Uint8Array, the standard input from here to its end */
static JSValue native_read(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    struct buffer all = {0};
    JSValue bytes = platform_read(&all) ? JS_NewUint8ArrayCopy(ctx, all.bytes, all.length) : JS_ThrowOutOfMemory(ctx);
    free(all.bytes);
    return bytes;
}

/* Time and randomness: asked for when needed, never kept from before the snapshot. */

/* now(): milliseconds of a clock that only goes forward */
static JSValue native_now(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    __wasi_timestamp_t now = 0;
    (void)!__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 1000, &now);
    return JS_NewFloat64(ctx, (double)now / 1e6);
}

void platform_sleep(double milliseconds)
{
    struct timespec rest = {.tv_sec = (time_t)(milliseconds / 1e3)};
    rest.tv_nsec = (long)((milliseconds - (double)rest.tv_sec * 1e3) * 1e6);
    nanosleep(&rest, NULL);
}

uint64_t platform_seed(void)
{
    uint64_t seed = 0;
    (void)!__wasi_random_get((uint8_t *)&seed, sizeof seed);
    return seed;
}

/* random(bytes): fills the Uint8Array */
static JSValue native_random(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    uint8_t *bytes = JS_GetUint8Array(ctx, &length, arguments[0]);
    if (!bytes && length)
        return JS_EXCEPTION;
    if (length && __wasi_random_get(bytes, length) != 0)
        return JS_ThrowInternalError(ctx, "the host gives no random numbers");
    return JS_UNDEFINED;
}

/* Arguments and environment. */

typedef __wasi_errno_t sizes_get(__wasi_size_t *count, __wasi_size_t *size);
typedef __wasi_errno_t texts_get(uint8_t **texts, uint8_t *room);

static JSValue texts(JSContext *ctx, sizes_get *get_sizes, texts_get *get_texts)
{
    __wasi_size_t count = 0, size = 0;
    JSValue list = JS_NewArray(ctx);
    if (get_sizes(&count, &size) != 0 || count == 0)
        return list;
    uint8_t **at = calloc(count, sizeof *at);
    uint8_t *room = calloc(size + 1, 1);
    if (!at || !room) {
        JS_ThrowOutOfMemory(ctx);
        JS_FreeValue(ctx, list);
        list = JS_EXCEPTION;
    } else if (get_texts(at, room) == 0) {
        for (__wasi_size_t i = 0; i < count; i++)
            JS_DefinePropertyValueUint32(ctx, list, i, JS_NewString(ctx, (const char *)at[i]), JS_PROP_C_W_E);
    }
    free(at);
    free(room);
    return list;
}

/* args(): the texts */
static JSValue native_args(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    return texts(ctx, __wasi_args_sizes_get, __wasi_args_get);
}

/* environ(): the texts NAME=value */
static JSValue native_environ(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    return texts(ctx, __wasi_environ_sizes_get, __wasi_environ_get);
}

/* exit(status) */
static JSValue native_exit(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    int32_t status;
    if (JS_ToInt32(ctx, &status, arguments[0]))
        return JS_EXCEPTION;
    __wasi_proc_exit(status);
}

/* UTF-8, as https://encoding.spec.whatwg.org/#utf-8-decoder has it. */

/*
 * One character at `at`. Its value, or -1 if it is none; `*length` bytes were read, of what is none those that might have
 * begun one. `*cut` if it might go on beyond the end.
 */
static int32_t next_character(const uint8_t *at, const uint8_t *end, size_t *length, bool *cut)
{
    uint8_t first = *at, low = 0x80, high = 0xbf;
    int more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
    int32_t character = more <= 0 ? first : first & (0x3f >> more);
    *length = 1;
    *cut = false;
    if (more < 0)
        return -1;
    low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;   /* shorter forms of the same */
    high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high; /* surrogates; beyond the last */
    for (; more > 0; more--) {
        if (at + *length == end) {
            *cut = true;
            return -1;
        }
        uint8_t next = at[*length];
        if (next < low || next > high)
            return -1;
        character = character << 6 | (next & 0x3f);
        low = 0x80, high = 0xbf;
        ++*length;
    }
    return character;
}

bool platform_is_utf8(const uint8_t *bytes, size_t length)
{
    bool cut;
    size_t taken;
    for (const uint8_t *end = bytes + length; bytes < end; bytes += taken) {
        if (next_character(bytes, end, &taken, &cut) < 0)
            return false;
    }
    return true;
}

static JSValue decode_with_replacements(JSContext *ctx, const uint8_t *bytes, size_t length)
{
    uint16_t *units = js_malloc(ctx, (length + 1) * sizeof *units);
    if (!units)
        return JS_EXCEPTION;
    size_t count = 0, taken;
    bool cut;
    for (const uint8_t *end = bytes + length; bytes < end; bytes += taken) {
        int32_t character = next_character(bytes, end, &taken, &cut);
        if (character >= 0x10000) {
            units[count++] = (uint16_t)(0xd7c0 + (character >> 10));
            units[count++] = (uint16_t)(0xdc00 | (character & 0x3ff));
        } else {
            units[count++] = character < 0 ? 0xfffd : (uint16_t)character;
        }
    }
    JSValue text = JS_NewStringUTF16(ctx, units, count);
    js_free(ctx, units);
    return text;
}

/* decode(bytes, fatal): text */
static JSValue native_decode(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    const uint8_t *bytes = JS_GetUint8Array(ctx, &length, arguments[0]);
    if (!bytes && length)
        return JS_EXCEPTION;
    if (platform_is_utf8(bytes, length))
        return JS_NewStringLen(ctx, (const char *)bytes, length);
    if (JS_ToBool(ctx, arguments[1]))
        return JS_ThrowTypeError(ctx, "the bytes are not UTF-8");
    return decode_with_replacements(ctx, bytes, length);
}

/* cut(bytes): how many bytes at the end begin a character that is not complete */
static JSValue native_cut(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length, taken;
    const uint8_t *bytes = JS_GetUint8Array(ctx, &length, arguments[0]);
    if (!bytes && length)
        return JS_EXCEPTION;
    const uint8_t *end = bytes + length;
    for (size_t back = length < 3 ? length : 3; back > 0; back--) {
        bool cut;
        next_character(end - back, end, &taken, &cut);
        if (cut && taken == back)
            return JS_NewInt32(ctx, (int32_t)back);
    }
    return JS_NewInt32(ctx, 0);
}

/* encode(text): Uint8Array. The text is well formed. */
static JSValue native_encode(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    const char *text = JS_ToCStringLen(ctx, &length, arguments[0]);
    if (!text)
        return JS_EXCEPTION;
    JSValue bytes = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)text, length);
    JS_FreeCString(ctx, text);
    return bytes;
}

void platform_define(JSContext *ctx, JSValueConst native)
{
    define_native(ctx, native, "write", native_write, 2);
    define_native(ctx, native, "read", native_read, 0);
    define_native(ctx, native, "now", native_now, 0);
    define_native(ctx, native, "random", native_random, 1);
    define_native(ctx, native, "args", native_args, 0);
    define_native(ctx, native, "environ", native_environ, 0);
    define_native(ctx, native, "exit", native_exit, 1);
    define_native(ctx, native, "decode", native_decode, 2);
    define_native(ctx, native, "cut", native_cut, 1);
    define_native(ctx, native, "encode", native_encode, 1);
}
