/* Stored procedures for sqlbridge, written in C.
 *
 *     #include "sqlbridge.h"
 *
 *     SQLBRIDGE_EXPORT(shout)
 *     sqlbridge_result shout(const char *text, int length)
 *     {
 *         char *out = sqlbridge_buffer(length + 1);
 *         for (int i = 0; i < length; i++)
 *             out[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
 *         out[length] = '!';
 *         return sqlbridge_pack(out, length + 1);
 *     }
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o shout.wasm shout.c
 *
 * With a C library for WASI the same header takes its malloc. Include it in one file of a module.
 *
 *     calls to the host      sqlbridge_null, sqlbridge_fail
 *     results                sqlbridge_buffer, sqlbridge_pack, sqlbridge_text
 *     ANY and rows           sqlbridge_read, sqlbridge_rows and sqlbridge_put_...
 *     memory                 sqlbridge_alloc; without a C library memcpy, memmove, memset, strlen
 */
#ifndef SQLBRIDGE_H
#define SQLBRIDGE_H

#include <stdint.h>

/* Exports the function that follows under this name. */
#define SQLBRIDGE_EXPORT(name) __attribute__((export_name(#name)))
#define SQLBRIDGE_IMPORT(name) \
    __attribute__((import_module("sqlbridge"), import_name(#name)))

/* TEXT, BLOB, JSON and ANY results: address in the upper 32 bits, length in the lower. */
typedef uint64_t sqlbridge_result;

/* The result of this call is NULL; what it returns is ignored. */
SQLBRIDGE_IMPORT(null) void sqlbridge_null(void);

/* The statement ends with this UTF-8 sentence, behind the procedure's name. Does not return. */
SQLBRIDGE_IMPORT(fail) void sqlbridge_fail(const char *sentence, int length) __attribute__((noreturn));

/* Memory ------------------------------------------------------------------------------------- */

#ifdef __wasi__

#include <stdlib.h>
#include <string.h>

SQLBRIDGE_EXPORT(sqlbridge_alloc) void *sqlbridge_alloc(uint32_t size)
{
    return malloc(size ? size : 1);
}

#else

extern unsigned char __heap_base;

/* Memory from the end of the module's data on, never given back: the host keeps its blocks and uses
 * them again, and so does sqlbridge_buffer. It comes as zeroes. 0 if there is no more. */
SQLBRIDGE_EXPORT(sqlbridge_alloc) void *sqlbridge_alloc(uint32_t size)
{
    static uint64_t next;
    if (next == 0)
        next = (uint32_t)&__heap_base;
    uint64_t start = (next + 7) & ~(uint64_t)7, end = start + size;
    uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) << 16;
    if (end > have && (end >> 32 || __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == (__SIZE_TYPE__)-1))
        return 0;
    next = end;
    return (void *)(uint32_t)start;
}

/* What a compiler calls without being asked to. */
#define SQLBRIDGE_PLAIN __attribute__((weak, no_builtin, used))

SQLBRIDGE_PLAIN void *memcpy(void *restrict to, const void *restrict from, __SIZE_TYPE__ n)
{
    for (__SIZE_TYPE__ i = 0; i < n; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

SQLBRIDGE_PLAIN void *memmove(void *to, const void *from, __SIZE_TYPE__ n)
{
    char *t = to;
    const char *f = from;
    if (t < f)
        for (__SIZE_TYPE__ i = 0; i < n; i++)
            t[i] = f[i];
    else
        for (__SIZE_TYPE__ i = n; i > 0; i--)
            t[i - 1] = f[i - 1];
    return to;
}

SQLBRIDGE_PLAIN void *memset(void *to, int byte, __SIZE_TYPE__ n)
{
    for (__SIZE_TYPE__ i = 0; i < n; i++)
        ((char *)to)[i] = (char)byte;
    return to;
}

SQLBRIDGE_PLAIN __SIZE_TYPE__ strlen(const char *text)
{
    __SIZE_TYPE__ n = 0;
    while (text[n])
        n++;
    return n;
}

#endif

/* Results ------------------------------------------------------------------------------------ */

/* A result, or the rows that `next` returns. */
static inline sqlbridge_result sqlbridge_pack(const void *address, uint32_t length)
{
    return (uint64_t)(uint32_t)address << 32 | length;
}

/* A text result that ends with a zero byte and stays where it is. */
static inline sqlbridge_result sqlbridge_text(const char *text)
{
    return sqlbridge_pack(text, strlen(text));
}

/* Ends the statement with a sentence that ends with a zero byte. */
static inline __attribute__((noreturn)) void sqlbridge_fail_text(const char *sentence)
{
    sqlbridge_fail(sentence, strlen(sentence));
}

/* Room for a result of at most this many bytes. The next call of it gives the same room again. */
static inline char *sqlbridge_buffer(uint32_t size)
{
    static char *room;
    static uint32_t have;
    if (size > have || !room) {
        uint32_t twice = have > 0x40000000 ? size : 2 * have;
        uint32_t want = size > twice ? size : twice;
        char *larger = sqlbridge_alloc(want < 64 ? 64 : want);
        if (!larger)
            sqlbridge_fail_text("there is no memory for the result");
        room = larger;
        have = want < 64 ? 64 : want;
    }
    return room;
}

/* ANY and rows ------------------------------------------------------------------------------- */

enum sqlbridge_kind { SQLBRIDGE_NULL, SQLBRIDGE_INTEGER, SQLBRIDGE_REAL, SQLBRIDGE_TEXT, SQLBRIDGE_BLOB };

typedef struct {
    enum sqlbridge_kind kind;
    int64_t integer;
    double real;
    const char *bytes; /* of a text or a blob */
    uint32_t length;
} sqlbridge_value;

/* An ANY argument. */
static inline sqlbridge_value sqlbridge_read(const unsigned char *encoded, int length)
{
    sqlbridge_value value = {SQLBRIDGE_NULL, 0, 0, 0, 0};
    if (length < 1 || encoded[0] > SQLBRIDGE_BLOB)
        sqlbridge_fail_text("an argument is not an encoded SQL value");
    value.kind = encoded[0];
    switch (value.kind) {
    case SQLBRIDGE_NULL:
        break;
    case SQLBRIDGE_INTEGER:
        memcpy(&value.integer, encoded + 1, 8);
        break;
    case SQLBRIDGE_REAL:
        memcpy(&value.real, encoded + 1, 8);
        break;
    default:
        memcpy(&value.length, encoded + 1, 4);
        value.bytes = (const char *)encoded + 5;
    }
    return value;
}

/* Rows for `next`, or an ANY result, in room for `size` bytes:
 *
 *     sqlbridge_rows rows = sqlbridge_begin(4096);
 *     while (...) { sqlbridge_put_integer(&rows, n); sqlbridge_put_text(&rows, name, length); }
 *     return sqlbridge_end(&rows);
 */
typedef struct {
    char *start;
    uint32_t used, size;
} sqlbridge_rows;

static inline sqlbridge_rows sqlbridge_begin(uint32_t size)
{
    return (sqlbridge_rows){sqlbridge_buffer(size), 0, size};
}

static inline sqlbridge_result sqlbridge_end(const sqlbridge_rows *rows)
{
    return sqlbridge_pack(rows->start, rows->used);
}

static inline void sqlbridge_put(sqlbridge_rows *rows, char tag, const void *a, uint32_t a_length, const void *b, uint32_t b_length)
{
    if ((uint64_t)rows->used + 1 + a_length + b_length > rows->size)
        sqlbridge_fail_text("the rows are larger than the room for them");
    char *to = rows->start + rows->used;
    *to++ = tag;
    memcpy(to, a, a_length);
    memcpy(to + a_length, b, b_length);
    rows->used += 1 + a_length + b_length;
}

static inline void sqlbridge_put_null(sqlbridge_rows *rows)
{
    sqlbridge_put(rows, SQLBRIDGE_NULL, 0, 0, 0, 0);
}

static inline void sqlbridge_put_integer(sqlbridge_rows *rows, int64_t number)
{
    sqlbridge_put(rows, SQLBRIDGE_INTEGER, &number, 8, 0, 0);
}

static inline void sqlbridge_put_real(sqlbridge_rows *rows, double number)
{
    sqlbridge_put(rows, SQLBRIDGE_REAL, &number, 8, 0, 0);
}

static inline void sqlbridge_put_text(sqlbridge_rows *rows, const char *text, uint32_t length)
{
    sqlbridge_put(rows, SQLBRIDGE_TEXT, &length, 4, text, length);
}

static inline void sqlbridge_put_blob(sqlbridge_rows *rows, const void *bytes, uint32_t length)
{
    sqlbridge_put(rows, SQLBRIDGE_BLOB, &length, 4, bytes, length);
}

#endif
