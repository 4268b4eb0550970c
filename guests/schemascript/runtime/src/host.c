/* The host: SQL over `host_db_query` and `host_copy_result`, requests and their answers. See docs/host-interface.md. */

#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define IMPORT(name) __attribute__((import_module("sqlproxy"), import_name(#name)))

IMPORT(host_db_query) int32_t host_db_query(const void *request, uint32_t length);
IMPORT(host_copy_result) int32_t host_copy_result(void *to, uint32_t most);
IMPORT(host_copy_request) int32_t host_copy_request(void *to, uint32_t most);
IMPORT(host_respond) void host_respond(int32_t kind, const void *bytes, uint32_t length);

enum { ANSWER_TEXT = 0, ANSWER_BLOB = 1, ANSWER_ERROR = 2, ANSWER_NULL = 3 };

/* Kept from call to call up to this size. */
#define KEPT (1 << 20)

static struct buffer request;
static struct buffer result;

static void empty(struct buffer *buffer)
{
    if (buffer->capacity > KEPT) {
        free(buffer->bytes);
        *buffer = (struct buffer){0};
    }
    buffer->length = 0;
}

/* Runs a request; its answer is in `result`. */
static int call(JSContext *ctx, const void *bytes, size_t length)
{
    empty(&result);
    int32_t size = host_db_query(bytes, length);
    if (size < 0) {
        JS_ThrowInternalError(ctx, "the host does not take requests of this guest (error %d)", size);
        return -1;
    }
    if (buffer_reserve(ctx, &result, size))
        return -1;
    if (host_copy_result(result.bytes, size) != size) {
        JS_ThrowInternalError(ctx, "the host's answer changed its length");
        return -1;
    }
    result.length = size;
    return 0;
}

static JSValue call_packed(JSContext *ctx)
{
    return call(ctx, request.bytes, request.length) ? JS_EXCEPTION : unpack(ctx, result.bytes, result.length);
}

/* native.call(text): text. A request as JSON. */
static JSValue native_call(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    size_t length;
    const char *text = JS_ToCStringLen(ctx, &length, arguments[0]);
    if (!text)
        return JS_EXCEPTION;
    int failed = call(ctx, text, length);
    JS_FreeCString(ctx, text);
    return failed ? JS_EXCEPTION : JS_NewStringLen(ctx, (const char *)result.bytes, result.length);
}

/* native.request(object): answer. */
static JSValue native_request(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    empty(&request);
    if (pack_value(ctx, &request, arguments[0]))
        return JS_EXCEPTION;
    return call_packed(ctx);
}

/* native.query(sql, parameters, method): answer. What Drizzle asks for, without an object for it. */
static JSValue native_query(JSContext *ctx, JSValueConst this_value, int count, JSValueConst *arguments)
{
    empty(&request);
    if (pack_map(ctx, &request, 3) || pack_key(ctx, &request, "sql") || pack_value(ctx, &request, arguments[0]) ||
        pack_key(ctx, &request, "params") || pack_parameters(ctx, &request, arguments[1]) ||
        pack_key(ctx, &request, "method") || pack_value(ctx, &request, arguments[2]))
        return JS_EXCEPTION;
    return call_packed(ctx);
}

JSValue host_request(JSContext *ctx, uint32_t length)
{
    empty(&request);
    if (buffer_reserve(ctx, &request, length))
        return JS_EXCEPTION;
    if (host_copy_request(request.bytes, length) != (int32_t)length)
        return JS_ThrowInternalError(ctx, "the request is not %u bytes long", length);
    if (platform_is_utf8(request.bytes, length))
        return JS_NewStringLen(ctx, (const char *)request.bytes, length);
    return JS_NewUint8ArrayCopy(ctx, request.bytes, length);
}

void host_answer_error(const char *text, size_t length)
{
    host_respond(ANSWER_ERROR, text, length);
}

static int answer_bytes(JSContext *ctx, JSValueConst body)
{
    size_t length;
    const uint8_t *bytes = JS_GetUint8Array(ctx, &length, body);
    if (!bytes && length)
        return -1;
    host_respond(ANSWER_BLOB, bytes, length);
    return 0;
}

static int answer_text(JSContext *ctx, JSValueConst body)
{
    size_t length;
    JSAtom name = JS_NewAtom(ctx, "toWellFormed");
    JSValue well_formed = JS_Invoke(ctx, body, name, 0, NULL);
    JS_FreeAtom(ctx, name);
    const char *text = JS_IsException(well_formed) ? NULL : JS_ToCStringLen(ctx, &length, well_formed);
    JS_FreeValue(ctx, well_formed);
    if (!text)
        return -1;
    host_respond(ANSWER_TEXT, text, length);
    JS_FreeCString(ctx, text);
    return 0;
}

int host_answer(JSContext *ctx, JSValueConst body)
{
    if (JS_IsString(body))
        return answer_text(ctx, body);
    if (JS_IsObject(body))
        return answer_bytes(ctx, body);
    host_respond(ANSWER_NULL, NULL, 0);
    return 0;
}

void host_define(JSContext *ctx, JSValueConst native)
{
    define_native(ctx, native, "call", native_call, 1);
    define_native(ctx, native, "request", native_request, 1);
    define_native(ctx, native, "query", native_query, 3);
}
