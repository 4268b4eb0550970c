/* ANY, NULL and an aggregate. */
#include "sqlbridge.h"

SQLBRIDGE_EXPORT(describe)
sqlbridge_result describe(const unsigned char *encoded, int length)
{
    static const char *const names[] = {"NULL", "INTEGER", "REAL", "TEXT", "BLOB"};
    return sqlbridge_text(names[sqlbridge_read(encoded, length).kind]);
}

/* NULL for a division by zero. */
SQLBRIDGE_EXPORT(ratio)
double ratio(double a, double b)
{
    if (b == 0)
        sqlbridge_null();
    return b == 0 ? 0 : a / b;
}

/* `nullable`: how many of the three are there? */
SQLBRIDGE_EXPORT(how_many)
int how_many(int a_there, int64_t a, int b_there, double b, int c_there, const char *c, int c_length)
{
    return a_there + b_there + c_there;
}

/* The product of a group's numbers. */
SQLBRIDGE_EXPORT(product_init)
double *product_init(void)
{
    double *state = sqlbridge_alloc(sizeof *state);
    *state = 1;
    return state;
}

SQLBRIDGE_EXPORT(product_step)
void product_step(double *state, double x)
{
    *state *= x;
}

SQLBRIDGE_EXPORT(product_final)
double product_final(double *state)
{
    return *state;
}
