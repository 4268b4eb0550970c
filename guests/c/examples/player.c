/* Does what it is told, one thing after the other: as a command by its arguments, as a reactor by the lines of
 * the request. It is for tests of the host.
 *
 *     say TEXT     writes a line                      out TEXT    writes without an end of line
 *     err TEXT     writes a line on standard error    sql JSON    sends a request, writes its answer
 *     quiet JSON   sends a request                    env         writes the environment
 *     input        writes what is on standard input   count       writes how often it was told so
 *     forever      writes numbers without end         loop        never comes back
 *     grow N       takes N pages of 64 KiB            deep        calls itself without end
 *     exit N       ends with a status                 trap        ends with a trap
 *     time         writes seconds since 1970          random      writes 8 random bytes in hexadecimal
 *     fail TEXT    answers an error                   blob TEXT   answers a blob
 *     null         answers NULL                       nothing     gives no answer
 *     kind N       answers with a kind                beyond      answers from outside of its memory
 *     bench N JSON sends a request N times            rows N SQL  reads a query's rows, N at a time, as MessagePack
 *     exec N SQL   runs it N times with a text for its parameter, as MessagePack
 *     many N SQL   the same, a thousand rows of values in a request */
#include "sqlproxy.h"

#define ROOM (1 << 20)
static char buffer[ROOM], answer[4 * ROOM], texts[ROOM];
static char *pointers[4096];
static int counted, reactor, length_of_answer, answered;

static int is(const char *line, const char *word, const char **rest)
{
    while (*word)
        if (*line++ != *word++)
            return 0;
    if (*line != ' ' && *line != 0)
        return 0;
    *rest = *line ? line + 1 : line;
    return 1;
}

static void put(int file, const char *content, int length)
{
    if (!reactor || file == 2) {
        sqlproxy_write(file, content, length);
        return;
    }
    for (int i = 0; i < length && length_of_answer < (int)sizeof answer; i++)
        answer[length_of_answer++] = content[i];
}

static void text(int file, const char *content)
{
    put(file, content, (int)sqlproxy_length(content));
}

static const char *decimal(long number, char room[24])
{
    int at = 23, negative = number < 0;
    unsigned long rest = negative ? 0UL - (unsigned long)number : (unsigned long)number;
    room[at] = 0;
    do
        room[--at] = '0' + rest % 10;
    while (rest /= 10);
    if (negative)
        room[--at] = '-';
    return room + at;
}

static void line(int file, const char *content)
{
    /* At once, as a program that writes whole lines does. */
    static char whole[ROOM];
    int length = 0;
    while (content[length] && length < ROOM - 1)
        whole[length] = content[length], length++;
    whole[length++] = '\n';
    put(file, whole, length);
}

static long number(const char **rest)
{
    long value = 0;
    while (**rest >= '0' && **rest <= '9')
        value = value * 10 + *(*rest)++ - '0';
    if (**rest == ' ')
        (*rest)++;
    return value;
}

static int query(const char *request)
{
    int length = host_db_query(request, (int)sqlproxy_length(request));
    if (length > ROOM || host_copy_result(texts, ROOM) != length)
        __builtin_trap();
    return length;
}

/* Room for a request in MessagePack; the last part of an answer that says which cursor has more rows. */
static char packed[ROOM];

static int pack(int at, const char *content)
{
    int length = (int)sqlproxy_length(content);
    packed[at++] = (char)0xda;
    packed[at++] = (char)(length >> 8);
    packed[at++] = (char)length;
    while (*content)
        packed[at++] = *content++;
    return at;
}

static int pack_number(int at, long value)
{
    packed[at++] = (char)0xd2;
    for (int shift = 24; shift >= 0; shift -= 8)
        packed[at++] = (char)(value >> shift);
    return at;
}

/* The number after this key, which is the last one of the answer; -1 if there is none. */
static long last_number(const char *key, int length)
{
    int size = (int)sqlproxy_length(key);
    for (int begin = length - size - 9; begin < length - size; begin++) {
        int same = begin > 0 && (unsigned char)answer[begin - 1] == (0xa0 | size);
        for (int i = 0; same && i < size; i++)
            same = answer[begin + i] == key[i];
        if (!same)
            continue;
        const unsigned char *at = (const unsigned char *)answer + begin + size;
        int bytes = *at < 0x80 ? 0 : *at == 0xd1 ? 2 : *at == 0xd2 ? 4 : 8;
        long value = bytes ? 0 : *at;
        while (bytes-- > 0)
            value = value << 8 | *++at;
        return value;
    }
    return -1;
}

static long drain(long fetch, const char *sql)
{
    packed[0] = (char)0x83;
    int length = pack(pack(pack(pack(1, "command"), "query"), "sql"), sql);
    length = pack_number(pack(length, "fetch"), fetch);
    int got = host_db_query(packed, length);
    if (got > (int)sizeof answer || host_copy_result(answer, sizeof answer) != got)
        __builtin_trap();
    long cursor = last_number("cursor_id", got), batches = 1;
    if (cursor < 0)
        return batches;
    packed[0] = (char)0x82;
    length = pack_number(pack(pack(pack(1, "command"), "fetch"), "cursor_id"), cursor);
    do {
        got = host_db_query(packed, length);
        if (got > (int)sizeof answer || host_copy_result(answer, sizeof answer) != got)
            __builtin_trap();
        batches++;
    } while ((unsigned char)answer[got - 1] == 0xc2); /* "done": false */
    return batches;
}

static void execute(long times, const char *sql)
{
    packed[0] = (char)0x83;
    int length = pack(pack(pack(pack(1, "command"), "exec"), "sql"), sql);
    length = pack(length, "args");
    packed[length++] = (char)0x91;
    length = pack(length, "a name");
    while (times-- > 0) {
        int got = host_db_query(packed, length);
        if (got > (int)sizeof answer || host_copy_result(answer, sizeof answer) != got)
            __builtin_trap();
    }
}

static void execute_many(long times, const char *sql)
{
    packed[0] = (char)0x83;
    int begin = pack(pack(pack(pack(pack(1, "command"), "exec"), "sql"), sql), "rows");
    while (times > 0) {
        int rows = times < 1000 ? (int)times : 1000, length = begin;
        times -= rows;
        packed[length++] = (char)0xdc;
        packed[length++] = (char)(rows >> 8);
        packed[length++] = (char)rows;
        while (rows-- > 0) {
            packed[length++] = (char)0x91;
            length = pack(length, "a name");
        }
        int got = host_db_query(packed, length);
        if (got > (int)sizeof answer || host_copy_result(answer, sizeof answer) != got)
            __builtin_trap();
    }
}

static volatile int depth;
static int deeper(int n)
{
    depth++;
    return depth < 0 ? n : deeper(n + 1) + depth;
}

static void respond(int kind, const char *content)
{
    host_respond(kind, content, (int)sqlproxy_length(content));
    answered = 1;
}

static void play(const char *told)
{
    const char *rest;
    char room[24];
    if (is(told, "say", &rest)) {
        line(1, rest);
    } else if (is(told, "out", &rest)) {
        text(1, rest);
    } else if (is(told, "err", &rest)) {
        line(2, rest);
    } else if (is(told, "sql", &rest)) {
        int length = query(rest);
        texts[length++] = '\n';
        put(1, texts, length);
    } else if (is(told, "quiet", &rest)) {
        query(rest);
    } else if (is(told, "bench", &rest)) {
        for (long times = number(&rest); times > 0; times--)
            query(rest);
    } else if (is(told, "rows", &rest)) {
        long fetch = number(&rest);
        long batches = drain(fetch, rest);
        length_of_answer = 0;
        line(1, decimal(batches, room));
    } else if (is(told, "exec", &rest)) {
        long times = number(&rest);
        execute(times, rest);
        length_of_answer = 0;
    } else if (is(told, "many", &rest)) {
        long times = number(&rest);
        execute_many(times, rest);
        length_of_answer = 0;
    } else if (is(told, "env", &rest)) {
        size_t count, size;
        wasi_environ_sizes_get(&count, &size);
        wasi_environ_get(pointers, texts);
        for (size_t i = 0; i < count; i++)
            line(1, pointers[i]);
    } else if (is(told, "input", &rest)) {
        /* In two parts, as if it came slowly. */
        size_t read;
        do {
            sqlproxy_bytes parts[2] = {{texts, 3}, {texts + 3, 4}};
            wasi_fd_read(0, parts, 2, &read);
            put(1, texts, (int)read);
        } while (read);
        text(1, "\n");
    } else if (is(told, "count", &rest)) {
        line(1, decimal(++counted, room));
    } else if (is(told, "forever", &rest)) {
        for (long n = 1;; n++)
            line(1, decimal(n, room));
    } else if (is(told, "loop", &rest)) {
        for (;;)
            depth++;
    } else if (is(told, "grow", &rest)) {
        line(1, __builtin_wasm_memory_grow(0, number(&rest)) == (size_t)-1 ? "no" : "yes");
    } else if (is(told, "deep", &rest)) {
        line(1, decimal(deeper(0), room));
    } else if (is(told, "exit", &rest)) {
        wasi_proc_exit((int)number(&rest));
    } else if (is(told, "trap", &rest)) {
        __builtin_trap();
    } else if (is(told, "time", &rest)) {
        uint64_t now;
        wasi_clock_time_get(0, 1, &now);
        line(1, decimal((long)(now / 1000000000), room));
    } else if (is(told, "random", &rest)) {
        unsigned char bytes[8];
        char shown[17] = {0};
        wasi_random_get(bytes, 8);
        for (int i = 0; i < 16; i++)
            shown[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
        line(1, shown);
    } else if (is(told, "fail", &rest)) {
        respond(SQLPROXY_ERROR, rest);
    } else if (is(told, "blob", &rest)) {
        respond(SQLPROXY_BLOB, rest);
    } else if (is(told, "null", &rest)) {
        respond(SQLPROXY_NULL, "");
    } else if (is(told, "nothing", &rest)) {
        answered = 1;
    } else if (is(told, "kind", &rest)) {
        respond((int)number(&rest), rest);
    } else if (is(told, "beyond", &rest)) {
        host_respond(SQLPROXY_TEXT, (void *)0x7ffffff0, 100);
    } else {
        line(2, "it was told what it does not know");
        wasi_proc_exit(64);
    }
}

SQLPROXY_EXPORT(_start) void start(void)
{
    size_t count, size;
    wasi_args_sizes_get(&count, &size);
    wasi_args_get(pointers, buffer);
    for (size_t i = 1; i < count; i++)
        play(pointers[i]);
}

SQLPROXY_EXPORT(sqlproxy_handle) void handle(int length)
{
    reactor = 1;
    length_of_answer = answered = 0;
    if (length >= ROOM || host_copy_request(buffer, ROOM) != length)
        __builtin_trap();
    buffer[length] = 0;
    for (char *at = buffer; *at;) {
        char *end = at;
        while (*end && *end != '\n')
            end++;
        char *next = *end ? end + 1 : end;
        *end = 0;
        play(at);
        at = next;
    }
    if (!answered)
        host_respond(SQLPROXY_TEXT, answer, length_of_answer);
}
