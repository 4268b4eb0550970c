/*
 * Answers of a host that are damaged: what msgpack.c makes of them. Compiled for this machine, with the address sanitizer.
 *
 *     msgpack SECONDS [SEED]
 *
 * Whatever bytes come, they are a value or an exception. A value, written as a request, is read as the same: written again, it is
 * the same bytes. Each case can be had again by its number: it depends on the seed and on nothing else.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "guest.h"

#define LONGEST 512
#define MEMORY (64 << 20)

struct bytes {
    uint8_t at[LONGEST];
    size_t length;
};

#define SEED(text) {text, sizeof text - 1}

/* Answers as the host gives them, and every form that MessagePack has. */
static const struct { const char *bytes; size_t length; } SEEDS[] = {
    SEED("\x83\xa7" "columns\x92\xa2" "id\xa4name\xa9" "decltypes\x92\xa7INTEGER\xc0\xa4rows\x92\x92\x01\xa1x\x92\xd3\x7f\xff\xff\xff\xff\xff\xff\xff\xc4\x02\x00\xff"),
    SEED("\x81\xa5" "error\x83\xa4" "code\xacSQLITE_ERROR\xa8" "extended\x01\xa7message\xda\x00\x03no!"),
    SEED("\x81\xa4rows\xdd\x00\x00\x00\x01\xdc\x00\x05\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xc7\x02\x01\xff\xfe\xd5\x01\xed\xa0\xc3\xc2"),
    SEED("\xdf\x00\x00\x00\x02\xa9__proto__\x81\xa1" "a\x90\xa3\x31\x32\x33\xd9\x03\xe2\x82\xac"),
    SEED("\x98\xcc\xff\xcd\x01\x00\xce\x00\x01\x00\x00\xcf\x00\x20\x00\x00\x00\x00\x00\x01\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xe0"),
    SEED("\x83\xa3" "a\x00z\x01\xa3" "a\x00y\x02\xa3\xed\xa0\x80\x03"),
    SEED("\x93\xde\x00\x01\xa4" "args\x91\x01\xc5\x00\x01\x07\xc6\x00\x00\x00\x01\x07"),
};

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

/* A byte that means something, or any. */
static uint8_t random_byte(void)
{
    static const uint8_t markers[] = "\x00\x01\x7f\x80\x81\x90\x91\xa0\xa1\xc0\xc1\xc4\xc5\xc6\xc7\xc8\xc9\xca\xcb\xcf\xd0\xd3\xd4\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf\xe0\xff";
    return random_below(2) ? markers[random_below(sizeof markers - 1)] : (uint8_t)random_below(256);
}

static void damage(struct bytes *bytes)
{
    size_t place = bytes->length ? random_below(bytes->length) : 0;
    size_t size = 1 + random_below(8);
    switch (random_below(5)) {
    case 0:
        if (bytes->length)
            bytes->at[place] = random_byte();
        break;
    case 1:
        bytes->length = place;
        break;
    case 2: /* something is taken out */
        if (size > bytes->length - place)
            size = bytes->length - place;
        memmove(bytes->at + place, bytes->at + place + size, bytes->length - place - size);
        bytes->length -= size;
        break;
    case 3: /* something comes in */
        if (bytes->length + size > LONGEST)
            break;
        memmove(bytes->at + place + size, bytes->at + place, bytes->length - place);
        for (size_t i = 0; i < size; i++)
            bytes->at[place + i] = random_byte();
        bytes->length += size;
        break;
    default: /* it is said twice: nesting */
        if (bytes->length * 2 > LONGEST)
            break;
        memmove(bytes->at + place + bytes->length, bytes->at + place, bytes->length - place);
        memcpy(bytes->at + place, bytes->at, place);
        bytes->length *= 2;
    }
}

static struct bytes make_case(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    random_below(2);
    struct bytes bytes = {.length = 0};
    size_t which = random_below(sizeof SEEDS / sizeof *SEEDS);
    memcpy(bytes.at, SEEDS[which].bytes, SEEDS[which].length);
    bytes.length = SEEDS[which].length;
    for (uint64_t times = random_below(12); times > 0; times--)
        damage(&bytes);
    return bytes;
}

static void give_up(const char *what, const struct bytes *bytes, uint64_t number)
{
    fprintf(stderr, "case %llu: %s:", (unsigned long long)number, what);
    for (size_t i = 0; i < bytes->length; i++)
        fprintf(stderr, " %02x", bytes->at[i]);
    fprintf(stderr, "\n");
    abort();
}

/* From a place that has exactly so many bytes, so that reading beyond them is seen. */
static JSValue read(JSContext *ctx, const uint8_t *bytes, size_t length)
{
    uint8_t *exact = malloc(length ? length : 1);
    memcpy(exact, bytes, length);
    JSValue value = unpack(ctx, exact, length);
    free(exact);
    return value;
}

/* Writes a value. False: an exception, which is dropped. */
static bool written(JSContext *ctx, struct buffer *out, JSValue value)
{
    bool done = !JS_IsException(value) && !pack_value(ctx, out, value);
    JS_FreeValue(ctx, value);
    if (!done)
        JS_FreeValue(ctx, JS_GetException(ctx));
    return done;
}

/* True: the bytes were a value. */
static bool check(JSContext *ctx, const struct bytes *bytes, uint64_t number)
{
    struct buffer once = {0}, twice = {0};
    bool value = written(ctx, &once, read(ctx, bytes->at, bytes->length));
    if (value) {
        if (!written(ctx, &twice, read(ctx, once.bytes, once.length)))
            give_up("what is written is not read", bytes, number);
        if (once.length != twice.length || memcmp(once.bytes, twice.bytes, once.length))
            give_up("what is written is read as something else", bytes, number);
    }
    free(once.bytes);
    free(twice.bytes);
    return value;
}

int main(int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: msgpack SECONDS [SEED]\n");
        return 2;
    }
    double seconds = atof(arguments[1]);
    uint64_t number = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    JSRuntime *runtime = JS_NewRuntime();
    JS_SetMemoryLimit(runtime, MEMORY);
    JSContext *ctx = JS_NewContext(runtime);
    for (size_t i = 0; i < sizeof SEEDS / sizeof *SEEDS; i++) {
        struct bytes whole = {.length = SEEDS[i].length};
        memcpy(whole.at, SEEDS[i].bytes, whole.length);
        if (!check(ctx, &whole, 0))
            give_up("an answer of the host is no value", &whole, 0);
    }
    uint64_t first = number, values = 0;
    for (time_t end = time(NULL) + (time_t)seconds; time(NULL) < end || number == first; number++) {
        struct bytes bytes = make_case(number);
        values += check(ctx, &bytes, number);
    }
    JS_FreeContext(ctx);
    JS_FreeRuntime(runtime);
    printf("msgpack: %llu cases, of which %llu were values\n", (unsigned long long)(number - first), (unsigned long long)values);
    return 0;
}
