/*
 * QuickJS as one translation unit, so that two things can be set that its WASI build leaves out:
 *
 * - The limit on the stack. QuickJS measures by the address of a local, which WebAssembly has, too: most of what a call of a
 *   JavaScript function takes lies on the stack in linear memory. With `__wasi__` defined the check is off.
 * - The seed of Math.random(), which is a private field.
 */

#include "cutils.h" /* while __wasi__ is defined: no threads */
#include <sys/time.h>
#include <time.h>

#undef __wasi__
#define __STDC_NO_ATOMICS__ 1

#include "quickjs.c"

#include "engine.h"

void engine_seed_random(JSContext *ctx, uint64_t seed)
{
    ctx->random_state = seed ? seed : 1; /* xorshift stays at zero for ever */
}
