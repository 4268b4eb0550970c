/*
 * JavaScript values as MessagePack and back, as docs/host-interface.md has it.
 *
 * A number is an integer if it is one that a number holds exactly, else a float. Integers of the host beyond that come as
 * bigint. Texts of JavaScript that are no Unicode (lone surrogates) go out with U+FFFD, as they do in TextEncoder.
 */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"

#define MOST_NESTED 64
#define MAX_SAFE_INTEGER 9007199254740991.0

/* Room. */

int buffer_reserve(JSContext *ctx, struct buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->length >= more)
        return 0;
    size_t capacity = buffer->capacity * 2 > buffer->length + more ? buffer->capacity * 2 : buffer->length + more;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (!bytes) {
        JS_ThrowOutOfMemory(ctx);
        return -1;
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return 0;
}

/* A first byte and a number of `size` bytes, most significant first. */
static int put_number(JSContext *ctx, struct buffer *out, uint8_t first, uint64_t number, int size)
{
    if (buffer_reserve(ctx, out, 1 + size))
        return -1;
    uint8_t *at = out->bytes + out->length;
    *at++ = first;
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(number >> shift);
    out->length += 1 + size;
    return 0;
}

static int put_bytes(JSContext *ctx, struct buffer *out, const void *bytes, size_t length)
{
    if (buffer_reserve(ctx, out, length))
        return -1;
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
    return 0;
}

/* Writing. */

static int pack_int(JSContext *ctx, struct buffer *out, int64_t number)
{
    if (number >= 0 && number < 128)
        return put_number(ctx, out, (uint8_t)number, 0, 0);
    if (number >= INT32_MIN && number <= INT32_MAX)
        return put_number(ctx, out, 0xd2, (uint32_t)number, 4);
    return put_number(ctx, out, 0xd3, (uint64_t)number, 8);
}

static int pack_float(JSContext *ctx, struct buffer *out, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return put_number(ctx, out, 0xcb, bits, 8);
}

static int pack_number(JSContext *ctx, struct buffer *out, double number)
{
    if (number == trunc(number) && fabs(number) <= MAX_SAFE_INTEGER && !(number == 0 && signbit(number)))
        return pack_int(ctx, out, (int64_t)number);
    return pack_float(ctx, out, number);
}

static int pack_bigint(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    int64_t number;
    if (JS_ToBigInt64(ctx, &number, value))
        return -1;
    JSValue back = JS_NewBigInt64(ctx, number);
    bool exact = JS_IsStrictEqual(ctx, back, value);
    JS_FreeValue(ctx, back);
    if (!exact) {
        JS_ThrowRangeError(ctx, "a bigint does not fit into the 64 bits of SQLite's integers");
        return -1;
    }
    return pack_int(ctx, out, number);
}

static int pack_text_header(JSContext *ctx, struct buffer *out, size_t length)
{
    if (length < 32)
        return put_number(ctx, out, 0xa0 | (uint8_t)length, 0, 0);
    return put_number(ctx, out, 0xdb, length, 4);
}

static int pack_text(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    size_t length;
    const char *text = JS_ToCStringLen(ctx, &length, value);
    if (!text)
        return -1;
    size_t start;
    int failed = pack_text_header(ctx, out, length);
    start = out->length;
    failed = failed || put_bytes(ctx, out, text, length);
    JS_FreeCString(ctx, text);
    if (failed)
        return -1;
    /* A lone surrogate is three bytes that begin with ED A0..BF; U+FFFD is three bytes as well. */
    for (uint8_t *at = out->bytes + start, *end = out->bytes + out->length; at < end; at++) {
        if (*at == 0xed && end - at >= 3 && at[1] >= 0xa0)
            memcpy(at, "\xef\xbf\xbd", 3);
    }
    return 0;
}

static int pack_bytes(JSContext *ctx, struct buffer *out, const uint8_t *bytes, size_t length)
{
    return put_number(ctx, out, 0xc6, length, 4) || put_bytes(ctx, out, bytes, length) ? -1 : 0;
}

/* 1: it has no bytes. */
static int pack_view(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    size_t size, offset = 0, length;
    JSValue owner = JS_UNDEFINED;
    if (JS_IsArrayBuffer(value)) {
        owner = JS_DupValue(ctx, value);
    } else if (JS_GetTypedArrayType(value) >= 0) {
        owner = JS_GetTypedArrayBuffer(ctx, value, &offset, &length, NULL);
        if (JS_IsException(owner))
            return -1;
    } else {
        return 1;
    }
    uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, owner);
    if (JS_IsArrayBuffer(value))
        length = size;
    int result = !bytes && length > 0 ? -1 : pack_bytes(ctx, out, bytes + offset, length);
    JS_FreeValue(ctx, owner);
    return result;
}

static int pack_date(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    JSAtom name = JS_NewAtom(ctx, "toISOString");
    JSValue text = JS_Invoke(ctx, value, name, 0, NULL);
    JS_FreeAtom(ctx, name);
    if (JS_IsException(text))
        return -1;
    int result = pack_text(ctx, out, text);
    JS_FreeValue(ctx, text);
    return result;
}

/* What is no list and no map. 1: it is one. */
static int pack_scalar(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    double number;
    switch (JS_VALUE_GET_NORM_TAG(value)) {
    case JS_TAG_INT:
        return pack_int(ctx, out, JS_VALUE_GET_INT(value));
    case JS_TAG_FLOAT64:
        JS_ToFloat64(ctx, &number, value);
        return pack_number(ctx, out, number);
    case JS_TAG_BOOL:
        return put_number(ctx, out, JS_VALUE_GET_BOOL(value) ? 0xc3 : 0xc2, 0, 0);
    case JS_TAG_NULL:
        return put_number(ctx, out, 0xc0, 0, 0);
    case JS_TAG_STRING:
    case JS_TAG_STRING_ROPE:
        return pack_text(ctx, out, value);
    case JS_TAG_BIG_INT:
    case JS_TAG_SHORT_BIG_INT:
        return pack_bigint(ctx, out, value);
    case JS_TAG_OBJECT:
        if (JS_IsDate(value))
            return pack_date(ctx, out, value);
        return pack_view(ctx, out, value);
    default:
        return 1;
    }
}

static const char *kind_of(JSContext *ctx, JSValueConst value)
{
    if (JS_IsUndefined(value))
        return "undefined";
    if (JS_IsArray(value))
        return "an array";
    if (JS_IsFunction(ctx, value))
        return "a function";
    return JS_IsObject(value) ? "an object" : "a symbol";
}

static int no_parameter(JSContext *ctx, JSValueConst value, const char *which)
{
    JS_ThrowTypeError(ctx, "parameter %s is %s; SQLite has null, numbers, bigints, booleans, texts, Uint8Arrays and Dates%s", which,
                      kind_of(ctx, value), JS_IsObject(value) ? " (JSON.stringify makes a text of it)" : "");
    return -1;
}

static int array_length(JSContext *ctx, JSValueConst list, uint32_t *count)
{
    int64_t length;
    if (JS_GetLength(ctx, list, &length))
        return -1;
    *count = (uint32_t)length;
    return 0;
}

int pack_parameters(JSContext *ctx, struct buffer *out, JSValueConst list)
{
    uint32_t count;
    if (!JS_IsArray(list)) {
        JS_ThrowTypeError(ctx, "the parameters of a statement are an array, not %s", kind_of(ctx, list));
        return -1;
    }
    if (array_length(ctx, list, &count) || put_number(ctx, out, 0xdd, count, 4))
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        JSValue value = JS_GetPropertyUint32(ctx, list, i);
        if (JS_IsException(value))
            return -1;
        int result = pack_scalar(ctx, out, value);
        if (result > 0) {
            char which[16];
            snprintf(which, sizeof which, "%u", i + 1);
            result = no_parameter(ctx, value, which);
        }
        JS_FreeValue(ctx, value);
        if (result)
            return -1;
    }
    return 0;
}

static int pack_nested(JSContext *ctx, struct buffer *out, JSValueConst value, int depth);

static int pack_list(JSContext *ctx, struct buffer *out, JSValueConst list, int depth)
{
    uint32_t count;
    if (array_length(ctx, list, &count) || put_number(ctx, out, 0xdd, count, 4))
        return -1;
    for (uint32_t i = 0; i < count; i++) {
        JSValue value = JS_GetPropertyUint32(ctx, list, i);
        int result = JS_IsException(value) ? -1 : pack_nested(ctx, out, value, depth + 1);
        JS_FreeValue(ctx, value);
        if (result)
            return -1;
    }
    return 0;
}

/* `params` and `args` hold parameters wherever they stand: the host has no other lists of that name. */
static bool names_parameters(JSContext *ctx, JSAtom name)
{
    const char *key = JS_AtomToCString(ctx, name);
    bool found = key && (!strcmp(key, "params") || !strcmp(key, "args"));
    JS_FreeCString(ctx, key);
    return found;
}

static int pack_member(JSContext *ctx, struct buffer *out, JSValueConst object, JSAtom name, int depth)
{
    JSValue key = JS_AtomToString(ctx, name); /* any text: also with a zero, or half a character */
    JSValue value = JS_GetProperty(ctx, object, name);
    int result = JS_IsException(key) || JS_IsException(value) ? -1 : pack_text(ctx, out, key);
    if (!result) {
        bool parameters = JS_IsArray(value) && names_parameters(ctx, name);
        result = parameters ? pack_parameters(ctx, out, value) : pack_nested(ctx, out, value, depth + 1);
    }
    JS_FreeValue(ctx, value);
    JS_FreeValue(ctx, key);
    return result;
}

static int pack_object(JSContext *ctx, struct buffer *out, JSValueConst object, int depth)
{
    JSPropertyEnum *members;
    uint32_t count;
    if (JS_GetOwnPropertyNames(ctx, &members, &count, object, JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY))
        return -1;
    int result = pack_map(ctx, out, count);
    for (uint32_t i = 0; i < count && !result; i++)
        result = pack_member(ctx, out, object, members[i].atom, depth);
    JS_FreePropertyEnum(ctx, members, count);
    return result;
}

static int pack_nested(JSContext *ctx, struct buffer *out, JSValueConst value, int depth)
{
    if (depth > MOST_NESTED) {
        JS_ThrowTypeError(ctx, "a request to the host is nested more than %d deep", MOST_NESTED);
        return -1;
    }
    if (JS_IsUndefined(value)) /* a field that is null counts as not given */
        return put_number(ctx, out, 0xc0, 0, 0);
    int result = pack_scalar(ctx, out, value);
    if (result <= 0)
        return result;
    if (JS_IsArray(value))
        return pack_list(ctx, out, value, depth);
    if (JS_IsObject(value) && !JS_IsFunction(ctx, value))
        return pack_object(ctx, out, value, depth);
    JS_ThrowTypeError(ctx, "a request to the host has %s in it", kind_of(ctx, value));
    return -1;
}

int pack_value(JSContext *ctx, struct buffer *out, JSValueConst value)
{
    return pack_nested(ctx, out, value, 0);
}

int pack_map(JSContext *ctx, struct buffer *out, uint32_t count)
{
    return count < 16 ? put_number(ctx, out, 0x80 | (uint8_t)count, 0, 0) : put_number(ctx, out, 0xdf, count, 4);
}

int pack_key(JSContext *ctx, struct buffer *out, const char *key)
{
    size_t length = strlen(key);
    return pack_text_header(ctx, out, length) || put_bytes(ctx, out, key, length) ? -1 : 0;
}

/* Reading. */

struct reader {
    JSContext *ctx;
    const uint8_t *at;
    const uint8_t *end;
    int depth;
};

static JSValue broken(struct reader *reader)
{
    return JS_ThrowInternalError(reader->ctx, "the host's answer is no MessagePack");
}

static bool take_number(struct reader *reader, int size, uint64_t *number)
{
    if (reader->end - reader->at < size)
        return false;
    *number = 0;
    for (int i = 0; i < size; i++)
        *number = *number << 8 | *reader->at++;
    return true;
}

static bool take_bytes(struct reader *reader, uint64_t length, const uint8_t **bytes)
{
    if ((uint64_t)(reader->end - reader->at) < length)
        return false;
    *bytes = reader->at;
    reader->at += length;
    return true;
}

static JSValue read_value(struct reader *reader);

static JSValue read_text(struct reader *reader, uint64_t length)
{
    const uint8_t *bytes;
    if (!take_bytes(reader, length, &bytes))
        return broken(reader);
    return JS_NewStringLen(reader->ctx, (const char *)bytes, length);
}

static JSValue read_blob(struct reader *reader, uint64_t length)
{
    const uint8_t *bytes;
    if (!take_bytes(reader, length, &bytes))
        return broken(reader);
    return JS_NewUint8ArrayCopy(reader->ctx, bytes, length);
}

/* Extension 1 is a text that is not UTF-8: what is wrong in it becomes U+FFFD. */
static JSValue read_extension(struct reader *reader, uint64_t length)
{
    uint64_t type;
    if (!take_number(reader, 1, &type) || type != 1)
        return broken(reader);
    return read_text(reader, length);
}

static JSValue read_int(struct reader *reader, int64_t number)
{
    if (fabs((double)number) <= MAX_SAFE_INTEGER)
        return JS_NewInt64(reader->ctx, number);
    return JS_NewBigInt64(reader->ctx, number);
}

/* An integer of `size` bytes with its sign. */
static JSValue read_signed(struct reader *reader, int size)
{
    uint64_t number;
    if (!take_number(reader, size, &number))
        return broken(reader);
    int shift = 64 - size * 8;
    return read_int(reader, (int64_t)(number << shift) >> shift);
}

static JSValue read_unsigned(struct reader *reader, int size)
{
    uint64_t number;
    if (!take_number(reader, size, &number) || number > INT64_MAX)
        return broken(reader);
    return read_int(reader, (int64_t)number);
}

static JSValue read_float(struct reader *reader)
{
    uint64_t bits;
    double number;
    if (!take_number(reader, 8, &bits))
        return broken(reader);
    memcpy(&number, &bits, sizeof number);
    return JS_NewFloat64(reader->ctx, number);
}

static JSValue read_list(struct reader *reader, uint64_t count)
{
    JSContext *ctx = reader->ctx;
    if (count > (uint64_t)(reader->end - reader->at)) /* each item has a byte at least */
        return broken(reader);
    JSValue *items = js_malloc(ctx, (count + 1) * sizeof *items);
    if (!items)
        return JS_EXCEPTION;
    for (uint64_t i = 0; i < count; i++) {
        items[i] = read_value(reader);
        if (JS_IsException(items[i])) {
            while (i-- > 0)
                JS_FreeValue(ctx, items[i]);
            js_free(ctx, items);
            return JS_EXCEPTION;
        }
    }
    JSValue list = JS_NewArrayFrom(ctx, (int)count, items);
    js_free(ctx, items);
    return list;
}

static JSValue read_map(struct reader *reader, uint64_t count)
{
    JSContext *ctx = reader->ctx;
    JSValue object = JS_NewObject(ctx);
    for (uint64_t i = 0; i < count && !JS_IsException(object); i++) {
        JSValue key = read_value(reader);
        JSAtom name = JS_IsString(key) ? JS_ValueToAtom(ctx, key) : JS_ATOM_NULL;
        JS_FreeValue(ctx, key);
        JSValue value = name == JS_ATOM_NULL ? broken(reader) : read_value(reader);
        if (JS_IsException(value) || JS_DefinePropertyValue(ctx, object, name, value, JS_PROP_C_W_E) < 0) {
            JS_FreeValue(ctx, object);
            object = JS_EXCEPTION;
        }
        JS_FreeAtom(ctx, name);
    }
    return object;
}

static JSValue read_collection(struct reader *reader, uint64_t count, bool map)
{
    if (++reader->depth > MOST_NESTED)
        return broken(reader);
    JSValue value = map ? read_map(reader, count) : read_list(reader, count);
    reader->depth--;
    return value;
}

static JSValue read_value(struct reader *reader)
{
    uint64_t first, length;
    if (!take_number(reader, 1, &first))
        return broken(reader);
    if (first < 0x80)
        return JS_NewInt32(reader->ctx, (int)first);
    if (first < 0x90)
        return read_collection(reader, first & 15, true);
    if (first < 0xa0)
        return read_collection(reader, first & 15, false);
    if (first < 0xc0)
        return read_text(reader, first & 31);
    if (first >= 0xe0)
        return JS_NewInt32(reader->ctx, (int8_t)first);
    switch (first) {
    case 0xc0:
        return JS_NULL;
    case 0xc2:
    case 0xc3:
        return JS_NewBool(reader->ctx, first == 0xc3);
    case 0xc4: case 0xc5: case 0xc6:
        return take_number(reader, 1 << (first - 0xc4), &length) ? read_blob(reader, length) : broken(reader);
    case 0xc7: case 0xc8: case 0xc9:
        return take_number(reader, 1 << (first - 0xc7), &length) ? read_extension(reader, length) : broken(reader);
    case 0xcb:
        return read_float(reader);
    case 0xcc: case 0xcd: case 0xce: case 0xcf:
        return read_unsigned(reader, 1 << (first - 0xcc));
    case 0xd0: case 0xd1: case 0xd2: case 0xd3:
        return read_signed(reader, 1 << (first - 0xd0));
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
        return read_extension(reader, (uint64_t)1 << (first - 0xd4));
    case 0xd9: case 0xda: case 0xdb:
        return take_number(reader, 1 << (first - 0xd9), &length) ? read_text(reader, length) : broken(reader);
    case 0xdc: case 0xdd:
        return take_number(reader, 2 << (first - 0xdc), &length) ? read_collection(reader, length, false) : broken(reader);
    case 0xde: case 0xdf:
        return take_number(reader, 2 << (first - 0xde), &length) ? read_collection(reader, length, true) : broken(reader);
    default:
        return broken(reader);
    }
}

JSValue unpack(JSContext *ctx, const uint8_t *bytes, size_t length)
{
    struct reader reader = {.ctx = ctx, .at = bytes, .end = bytes + length, .depth = 0};
    JSValue value = read_value(&reader);
    if (!JS_IsException(value) && reader.at != reader.end) {
        JS_FreeValue(ctx, value);
        return broken(&reader);
    }
    return value;
}
