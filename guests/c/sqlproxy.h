/* What a program in the database imports and exports, for C without a library.
 *
 *     clang --target=wasm32 -O2 -mbulk-memory -fno-builtin -nostdlib -Wl,--no-entry -I guests/c -o program.wasm program.c
 *
 * A command exports `_start`, a reactor `sqlproxy_handle`. docs/host-interface.md is the contract. */
#ifndef SQLPROXY_H
#define SQLPROXY_H

#include <stddef.h>
#include <stdint.h>

#define SQLPROXY_EXPORT(name) __attribute__((export_name(#name)))
#define SQLPROXY_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

enum { SQLPROXY_TEXT, SQLPROXY_BLOB, SQLPROXY_ERROR, SQLPROXY_NULL };

/* Runs a request; the length of its answer, which waits to be copied. */
SQLPROXY_IMPORT("sqlproxy", "host_db_query") int host_db_query(const void *request, int length);
/* Copies the answer; its length, or -1 if that is more than `most`. */
SQLPROXY_IMPORT("sqlproxy", "host_copy_result") int host_copy_result(void *to, int most);
/* A reactor: copies the request; its length, or -1 if that is more than `most`. */
SQLPROXY_IMPORT("sqlproxy", "host_copy_request") int host_copy_request(void *to, int most);
/* A reactor: the answer; the last one counts. */
SQLPROXY_IMPORT("sqlproxy", "host_respond") void host_respond(int kind, const void *content, int length);

/* The part of WASI that a program in C is likely to need. */
typedef struct { const void *at; size_t length; } sqlproxy_bytes;
SQLPROXY_IMPORT("wasi_snapshot_preview1", "fd_write") int wasi_fd_write(int file, const sqlproxy_bytes *list, int count, size_t *written);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "fd_read") int wasi_fd_read(int file, const sqlproxy_bytes *list, int count, size_t *read);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "args_sizes_get") int wasi_args_sizes_get(size_t *count, size_t *size);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "args_get") int wasi_args_get(char **list, char *texts);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "environ_sizes_get") int wasi_environ_sizes_get(size_t *count, size_t *size);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "environ_get") int wasi_environ_get(char **list, char *texts);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "clock_time_get") int wasi_clock_time_get(int clock, int64_t precision, uint64_t *nanoseconds);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "random_get") int wasi_random_get(void *to, size_t length);
SQLPROXY_IMPORT("wasi_snapshot_preview1", "proc_exit") _Noreturn void wasi_proc_exit(int status);

static inline size_t sqlproxy_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

/* Writes to standard output (1) or standard error (2). */
static inline void sqlproxy_write(int file, const void *content, size_t length)
{
    sqlproxy_bytes part = {content, length};
    size_t written;
    wasi_fd_write(file, &part, 1, &written);
}

static inline void sqlproxy_print(const char *text)
{
    sqlproxy_write(1, text, sqlproxy_length(text));
}

/* Runs a request that is a text; the answer's length, as it was copied to `answer`. */
static inline int sqlproxy_query(const char *request, char *answer, int most)
{
    int length = host_db_query(request, (int)sqlproxy_length(request));
    if (length < 0 || host_copy_result(answer, most) < 0)
        return -1;
    return length;
}

#endif
