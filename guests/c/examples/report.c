/* A command: asks the database, and writes what it learns. */
#include "sqlproxy.h"

static char answer[4096];

SQLPROXY_EXPORT(_start) void start(void)
{
    int length = sqlproxy_query(
        "{\"command\": \"query\", \"sql\": \"SELECT name, price FROM item ORDER BY price DESC\"}", answer, sizeof answer);
    if (length < 0)
        wasi_proc_exit(1);
    sqlproxy_print("the dearest first:\n");
    sqlproxy_write(1, answer, length);
    sqlproxy_print("\n");
}
