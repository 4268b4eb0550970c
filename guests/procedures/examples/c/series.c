/* A table: the numbers from `start` to `stop` and their squares, as many rows at a time as fit. */
#include "sqlbridge.h"

typedef struct {
    int64_t next, stop;
} scan;

SQLBRIDGE_EXPORT(squares_open)
scan *squares_open(int64_t start, int64_t stop)
{
    scan *s = sqlbridge_alloc(sizeof *s);
    *s = (scan){start, stop};
    return s;
}

SQLBRIDGE_EXPORT(squares_next)
sqlbridge_result squares_next(scan *s)
{
    enum { ROW = 18, ROOM = 200 * ROW };
    sqlbridge_rows rows = sqlbridge_begin(ROOM);
    for (; s->next <= s->stop && rows.used + ROW <= ROOM; s->next++) {
        sqlbridge_put_integer(&rows, s->next);
        sqlbridge_put_integer(&rows, s->next * s->next);
    }
    return sqlbridge_end(&rows);
}
