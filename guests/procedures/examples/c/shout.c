/* The first procedure in C: text in, text out, an error.
 *
 *     clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -I../../c -o shout.wasm shout.c
 */
#include "sqlbridge.h"

SQLBRIDGE_EXPORT(shout)
sqlbridge_result shout(const char *text, int length)
{
    if (length == 0)
        sqlbridge_fail_text("there is nothing to shout");
    char *out = sqlbridge_buffer(length + 1);
    for (int i = 0; i < length; i++)
        out[i] = text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i];
    out[length] = '!';
    return sqlbridge_pack(out, length + 1);
}
