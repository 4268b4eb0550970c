/* Parts of Drizzle in C: which of its classes a value is of, and what is made of that. */

#ifndef DRIZZLE_H
#define DRIZZLE_H

#include "guest.h"

/* The classes that a query is made of. */
enum { STRING_CHUNK, NAME, SQL, TABLE, COLUMN, VIEW, PARAM, PLACEHOLDER, ALIASED, SUBQUERY, KINDS };

#define IS(kinds, kind) ((kinds) >> (kind) & 1)

/* Which of them `value` is, one bit each. -1: an exception. */
int drizzle_kinds(JSContext *ctx, JSValueConst value, unsigned *kinds);

/* Symbol.for(name) */
JSAtom drizzle_symbol(JSContext *ctx, const char *name);

/* query.c: text and parameters. */

/* casing.getColumnCasing(column) */
JSValue drizzle_column_name(JSContext *ctx, JSValueConst casing, JSValueConst column);
void query_define(JSContext *ctx, JSValueConst native);

/* parts.c: what SQL is made of. */
void parts_define(JSContext *ctx, JSValueConst native);

/* rows.c: fields and rows. */
void rows_define(JSContext *ctx, JSValueConst native);

#endif
