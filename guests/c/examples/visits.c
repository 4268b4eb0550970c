/* A reactor: answers each request, and remembers how many there were. */
#include "sqlproxy.h"

static char response[300] = "visit 0 of ";
static const int prefix = 11;

SQLPROXY_EXPORT(sqlproxy_handle) void handle(int length)
{
    response[6]++;
    if (length > (int)sizeof response - prefix || response[6] > '9') {
        host_respond(SQLPROXY_ERROR, "too much", 8);
        return;
    }
    host_copy_request(response + prefix, length);
    host_respond(SQLPROXY_TEXT, response, prefix + length);
}
