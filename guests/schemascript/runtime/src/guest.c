/*
 * The life of a guest.
 *
 *     build           at build time: makes the engine, runs the prelude, compiles the program. Then the snapshot is taken.
 *     start_command   exported as _start: evaluates the program and runs it to its end.
 *     start_reactor   exported as _initialize. The first request evaluates the program, which so may run SQL.
 *     handle          exported as sqlproxy_handle: one request.
 *
 * Nothing of the program itself has run when the snapshot is taken: no time, random number or setting is frozen in it.
 */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "engine.h"
#include "guest.h"

#define EXPORT(name) __attribute__((export_name(#name)))

/* Status of a command that waits for what never comes, as Node has it. */
#define STUCK_STATUS 13

static JSContext *context;
static JSValue native;  /* what the glue gives to the prelude, and gets from it */
static JSValue program; /* compiled */
static enum { COMPILED, EVALUATED, BROKEN } state;

void define_native(JSContext *ctx, JSValueConst object, const char *name, JSCFunction *function, int arguments)
{
    JS_SetPropertyStr(ctx, object, name, JS_NewCFunction(ctx, function, name, arguments));
}

/* Errors as text: native.describe(error) has the stack, native.sentence(error) is for the message of an SQL error. */

/* To be given back with JS_FreeCString. Never NULL, never fails. */
static const char *text_of(JSContext *ctx, const char *hook, JSValue error, size_t *length)
{
    static const char nothing[] = "the program failed, and then to say why (is it out of memory?)";
    JSAtom name = JS_NewAtom(ctx, hook);
    JSValue text = JS_Invoke(ctx, native, name, 1, (JSValueConst *)&error);
    JS_FreeAtom(ctx, name);
    JS_FreeValue(ctx, error);
    if (JS_IsException(text))
        text = JS_GetException(ctx);
    const char *result = JS_ToCStringLen(ctx, length, text);
    JS_FreeValue(ctx, text);
    if (!result) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        *length = sizeof nothing - 1;
        return nothing;
    }
    return result;
}

static void print_error(JSContext *ctx, JSValue error)
{
    size_t length;
    const char *text = text_of(ctx, "describe", error, &length);
    platform_write(2, text, length);
    platform_write(2, "\n", 1);
}

static void answer_error(JSContext *ctx, JSValue error)
{
    size_t length;
    const char *text = text_of(ctx, "sentence", error, &length);
    host_answer_error(text, length);
}

static JSValue plain_error(JSContext *ctx, const char *message)
{
    JS_ThrowPlainError(ctx, "%s", message);
    return JS_GetException(ctx);
}

/* Build. */

/*
 * Memory that is freed while the guest is built is zeroed, so that the snapshot has none of it: the sources, and what the
 * compiler needed, are most of what was used.
 */
static bool building;

static void *allocate(void *opaque, size_t size)
{
    return malloc(size);
}

static void *allocate_zeroed(void *opaque, size_t count, size_t size)
{
    return calloc(count, size);
}

static void release(void *opaque, void *memory)
{
    if (building && memory) {
        memset(memory, 0, malloc_usable_size(memory));
        __asm__ volatile("" : : "r"(memory) : "memory"); /* or the compiler leaves it out: nobody reads what is freed */
    }
    free(memory);
}

static void *reallocate(void *opaque, void *memory, size_t size)
{
    if (!building || !memory)
        return realloc(memory, size);
    size_t had = malloc_usable_size(memory);
    void *moved = malloc(size);
    if (moved) {
        memcpy(moved, memory, had < size ? had : size);
        release(opaque, memory);
    }
    return moved;
}

static size_t usable_size(const void *memory)
{
    return malloc_usable_size((void *)memory);
}

static const JSMallocFunctions memory_functions = {
    .js_calloc = allocate_zeroed,
    .js_malloc = allocate,
    .js_free = release,
    .js_realloc = reallocate,
    .js_malloc_usable_size = usable_size,
};

static _Noreturn void give_up(const char *text)
{
    platform_write(2, text, strlen(text));
    platform_write(2, "\n", 1);
    __builtin_trap();
}

static JSContext *new_engine(void)
{
    JSRuntime *runtime = JS_NewRuntime2(&memory_functions, NULL);
    JSContext *ctx = runtime ? JS_NewContext(runtime) : NULL;
    if (!ctx)
        give_up("the engine does not start");
    JS_SetMaxStackSize(runtime, MOST_STACK);
    return ctx;
}

/*
 * Compiles, in an engine that is then thrown away, to code without the texts of its functions: the engine keeps them for
 * toString(), of each function and so once more for each function around it.
 */
static JSValue compile(JSContext *ctx, const char *text, size_t length, const char *name, int type)
{
    JSContext *compiler = new_engine();
    JSRuntime *runtime = JS_GetRuntime(compiler);
    size_t size;
    JSValue code = JS_Eval(compiler, text, length, name, type | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(code)) {
        JSValue error = JS_GetException(compiler);
        give_up(JS_ToCString(compiler, error));
    }
    uint8_t *written = JS_WriteObject(compiler, &size, code, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    if (!written)
        give_up("the program cannot be written down");
    JS_FreeValue(compiler, code);
    JSValue read = JS_ReadObject(ctx, written, size, JS_READ_OBJ_BYTECODE);
    js_free(compiler, written);
    JS_FreeContext(compiler);
    JS_FreeRuntime(runtime);
    return read;
}

static void run_prelude(JSContext *ctx, const char *text, size_t length)
{
    JSValue global = JS_GetGlobalObject(ctx);
    native = JS_NewObject(ctx);
    platform_define(ctx, native);
    host_define(ctx, native);
    drizzle_define(ctx, native);
    JS_SetPropertyStr(ctx, global, "__native", JS_DupValue(ctx, native));
    JSValue done = JS_EvalFunction(ctx, compile(ctx, text, length, "prelude.js", JS_EVAL_TYPE_GLOBAL));
    if (JS_IsException(done))
        give_up(JS_ToCString(ctx, JS_GetException(ctx)));
    JS_FreeValue(ctx, done);
    JSAtom name = JS_NewAtom(ctx, "__native");
    JS_DeleteProperty(ctx, global, name, 0);
    JS_FreeAtom(ctx, name);
    JS_FreeValue(ctx, global);
    loop_init(ctx, JS_GetPropertyStr(ctx, native, "timers"));
}

/* `count` bytes of the input, with a zero after them. */
static char *take(struct buffer *input, size_t *at, size_t count)
{
    char *part = malloc(count + 1);
    if (!part || input->length - *at < count)
        give_up("the input of the build is cut short");
    memcpy(part, input->bytes + *at, count);
    part[count] = 0;
    *at += count;
    return part;
}

/*
 * The input: a line with three lengths, then as many bytes of the prelude, of the program, which is one ECMAScript module, and
 * of the table of its lines (see prelude/errors.ts).
 */
EXPORT(build) void build(void)
{
    struct buffer input = {0};
    size_t prelude_length, program_length, lines_length;
    int header;
    if (!platform_read(&input) || input.length == 0)
        give_up("the build has no input");
    input.bytes[input.length] = 0; /* there is room: see platform_read */
    if (sscanf((char *)input.bytes, "%zu %zu %zu\n%n", &prelude_length, &program_length, &lines_length, &header) != 3)
        give_up("the input of the build does not begin with three lengths");
    size_t at = header;
    char *prelude = take(&input, &at, prelude_length);
    char *source = take(&input, &at, program_length);
    char *lines = take(&input, &at, lines_length);
    building = true;
    release(NULL, input.bytes);

    context = new_engine();
    JSRuntime *runtime = JS_GetRuntime(context);
    run_prelude(context, prelude, prelude_length);
    JS_SetPropertyStr(context, native, "lines", JS_NewStringLen(context, lines, lines_length));
    program = compile(context, source, program_length, "app.js", JS_EVAL_TYPE_MODULE);
    if (JS_IsException(program)) {
        print_error(context, JS_GetException(context));
        __builtin_trap();
    }
    release(NULL, prelude);
    release(NULL, source);
    release(NULL, lines);
    JS_RunGC(runtime);
    building = false;
}

/* Run. */

static void enter(void)
{
    JS_UpdateStackTop(JS_GetRuntime(context));
}

static void start(void)
{
    enter();
    engine_seed_random(context, platform_seed());
}

/* The program's top level, to its end. */
static enum loop_end evaluate(JSContext *ctx, JSValue *error)
{
    JSValue promise = JS_EvalFunction(ctx, program);
    if (JS_IsException(promise)) {
        *error = JS_GetException(ctx);
        return LOOP_FAILED;
    }
    enum loop_end end = loop_run(ctx, promise, error);
    if (end == LOOP_DONE && JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED) {
        *error = JS_PromiseResult(ctx, promise);
        end = LOOP_FAILED;
    }
    JS_FreeValue(ctx, promise);
    return end;
}

static int32_t exit_status(JSContext *ctx)
{
    int32_t status = 0;
    JSValue value = JS_GetPropertyStr(ctx, native, "status");
    JS_ToInt32(ctx, &status, value);
    JS_FreeValue(ctx, value);
    return status;
}

EXPORT(start_command) void start_command(void)
{
    JSValue error;
    int32_t status;
    start();
    enum loop_end end = evaluate(context, &error);
    if (end == LOOP_DONE)
        end = loop_run(context, JS_UNDEFINED, &error);
    switch (end) {
    case LOOP_DONE:
        status = exit_status(context);
        break;
    case LOOP_STUCK:
        print_error(context, plain_error(context, "an await at the top level waits for a promise that nothing will settle"));
        status = STUCK_STATUS;
        break;
    case LOOP_FAILED:
        print_error(context, error);
        status = 1;
    }
    if (status)
        __wasi_proc_exit(status);
}

EXPORT(start_reactor) void start_reactor(void)
{
    start();
}

/* The program's top level, once. False: it failed, and has answered so. What a broken program answers stays in native.broken. */
static bool evaluated(JSContext *ctx)
{
    JSValue error;
    if (state == COMPILED) {
        switch (evaluate(ctx, &error)) {
        case LOOP_DONE:
            state = EVALUATED;
            return true;
        case LOOP_STUCK:
            error = plain_error(ctx, "an await at the program's top level waits for a promise that nothing will settle");
            break;
        case LOOP_FAILED:
            break;
        }
        state = BROKEN;
        JS_SetPropertyStr(ctx, native, "broken", error);
    }
    if (state == BROKEN)
        answer_error(ctx, JS_GetPropertyStr(ctx, native, "broken"));
    return state == EVALUATED;
}

/* native.dispatch(request): a promise of the answer. Given here and not by the program, or one that was late would answer another request. */
static JSValue dispatch(JSContext *ctx, uint32_t length)
{
    JSValue function = JS_GetPropertyStr(ctx, native, "dispatch");
    if (JS_IsUndefined(function))
        return JS_ThrowPlainError(ctx, "the program has no handler for requests: it has to call serve(handler)");
    JSValue request = host_request(ctx, length);
    JSValue promise = JS_IsException(request) ? JS_EXCEPTION : JS_Call(ctx, function, JS_UNDEFINED, 1, (JSValueConst *)&request);
    JS_FreeValue(ctx, request);
    JS_FreeValue(ctx, function);
    return promise;
}

static void answer_result(JSContext *ctx, JSValueConst promise)
{
    JSValue result = JS_PromiseResult(ctx, promise);
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED) {
        answer_error(ctx, result);
        return;
    }
    if (host_answer(ctx, result))
        answer_error(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, result);
}

EXPORT(handle) void handle(uint32_t length)
{
    JSContext *ctx = context;
    JSValue error;
    enter();
    if (!evaluated(ctx))
        return;
    JSValue promise = dispatch(ctx, length);
    if (JS_IsException(promise)) {
        answer_error(ctx, JS_GetException(ctx));
        return;
    }
    switch (loop_run(ctx, promise, &error)) {
    case LOOP_DONE:
        answer_result(ctx, promise);
        break;
    case LOOP_STUCK:
        answer_error(ctx, plain_error(ctx, "the handler waits for a promise that nothing will settle"));
        break;
    case LOOP_FAILED:
        answer_error(ctx, error);
        break;
    }
    JS_FreeValue(ctx, promise);
}
