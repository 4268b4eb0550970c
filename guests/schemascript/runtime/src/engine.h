/* What the glue needs of QuickJS beyond its public interface. */

#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

/* Math.random() of `ctx` goes on from `seed`. QuickJS seeds it once, which would be before the snapshot. */
void engine_seed_random(JSContext *ctx, uint64_t seed);

#endif
