/*
 * QuickJS as one translation unit, so that two things can be set that its WASI build leaves out:
 *
 * - The limit on the stack. QuickJS measures by an address on the stack in linear memory. With `__wasi__` defined it does not.
 * - The seed of Math.random(), which is a private field.
 */

#include "cutils.h" /* while __wasi__ is defined: no threads */
#include <sys/time.h>
#include <time.h>

/*
 * That address. Some of QuickJS's functions take little of the stack in linear memory, but much of the sandbox's own, which
 * nobody can see. So each function that measures takes STACK_BIT bytes more of the one, to keep step with the other.
 */
#define __builtin_frame_address(level) ({ volatile char bit[STACK_BIT]; bit[0] = 0; (void *)bit; })

#undef __wasi__
#define __STDC_NO_ATOMICS__ 1

#include "quickjs.c"

#include "engine.h"

void engine_seed_random(JSContext *ctx, uint64_t seed)
{
    ctx->random_state = seed ? seed : 1; /* xorshift stays at zero for ever */
}
