/*
 * The event loop: runs what promises and timers have to do. Nothing comes from outside (a call of the host returns when it is
 * done), so the loop ends when neither has anything left.
 *
 * A rejection that nobody handles by the time the jobs are done ends the loop, as it ends a program in Node.
 */

#include <stdlib.h>
#include <string.h>

#include "guest.h"

static JSValue the_timers;

static struct rejection {
    JSValue promise;
    JSValue reason;
} *rejections;
static size_t rejection_count, rejection_room;

static void forget(JSContext *ctx, size_t index)
{
    JS_FreeValue(ctx, rejections[index].promise);
    JS_FreeValue(ctx, rejections[index].reason);
    memmove(rejections + index, rejections + index + 1, (--rejection_count - index) * sizeof *rejections);
}

static void remember(JSContext *ctx, JSValueConst promise, JSValueConst reason)
{
    if (rejection_count == rejection_room) {
        size_t room = rejection_room ? rejection_room * 2 : 8;
        struct rejection *more = realloc(rejections, room * sizeof *rejections);
        if (!more)
            return; /* that memory ran out, another error says */
        rejections = more;
        rejection_room = room;
    }
    rejections[rejection_count++] = (struct rejection){JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
}

/* Called for a rejection without handler, and again if it gets one. */
static void track(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool handled, void *opaque)
{
    if (!handled) {
        remember(ctx, promise, reason);
        return;
    }
    for (size_t i = 0; i < rejection_count; i++) {
        if (JS_IsStrictEqual(ctx, rejections[i].promise, promise)) {
            forget(ctx, i);
            return;
        }
    }
}

void loop_init(JSContext *ctx, JSValue timers)
{
    the_timers = timers;
    JS_SetHostPromiseRejectionTracker(JS_GetRuntime(ctx), track, NULL);
}

/* Until no job is left. -1: `*error`. */
static int run_jobs(JSContext *ctx, JSValue *error)
{
    JSContext *of_job;
    int result;
    while ((result = JS_ExecutePendingJob(JS_GetRuntime(ctx), &of_job)) > 0)
        ;
    if (result < 0) {
        *error = JS_GetException(of_job);
        return -1;
    }
    if (rejection_count > 0) {
        *error = JS_DupValue(ctx, rejections[0].reason);
        while (rejection_count > 0)
            forget(ctx, rejection_count - 1);
        return -1;
    }
    return 0;
}

static JSValue ask_timers(JSContext *ctx, const char *method)
{
    JSAtom name = JS_NewAtom(ctx, method);
    JSValue answer = JS_Invoke(ctx, the_timers, name, 0, NULL);
    JS_FreeAtom(ctx, name);
    return answer;
}

/* Waits for the next timer and runs what is due. 0: there is none; -1: `*error`. */
static int run_timers(JSContext *ctx, JSValue *error)
{
    double delay = -1;
    JSValue answer = ask_timers(ctx, "delay");
    if (!JS_IsException(answer))
        JS_ToFloat64(ctx, &delay, answer);
    JS_FreeValue(ctx, answer);
    if (delay < 0)
        return 0;
    if (delay > 0)
        platform_sleep(delay);
    answer = ask_timers(ctx, "run");
    if (JS_IsException(answer)) {
        *error = JS_GetException(ctx);
        return -1;
    }
    JS_FreeValue(ctx, answer);
    return 1;
}

enum loop_end loop_run(JSContext *ctx, JSValueConst promise, JSValue *error)
{
    bool awaited = JS_IsPromise(promise);
    for (;;) {
        if (run_jobs(ctx, error))
            return LOOP_FAILED;
        if (awaited && JS_PromiseState(ctx, promise) != JS_PROMISE_PENDING)
            return LOOP_DONE;
        int more = run_timers(ctx, error);
        if (more < 0)
            return LOOP_FAILED;
        if (more == 0)
            return awaited ? LOOP_STUCK : LOOP_DONE;
    }
}
