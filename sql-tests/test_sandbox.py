"""Hostile modules: each ends with its statement, in a sentence with the procedure, the limit and its
value. The process lives, the next call works, memory does not grow. Each runs in a process of its own."""

import base64
import json
import os
import re
import sqlite3
import subprocess

import pytest
from support.host import HostError
from support.paths import EXTENSION, JDBC, NODE_MODULES, PYTHON, TESTS, tool
from support.procedures import EXAMPLES, example, params, wat

#: Used after each: a module that behaves.
GOOD = wat('(module (func (export "f") (param i64) (result i64) local.get 0 i64.const 1 i64.add))')

#: Exports that a table needs, around a `next` of its own; an allocator that gives always the same place.
ALLOC = '(func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 1024)'
MEMORY = '(memory (export "memory") 1)'


def function(body: str, result: str = "i64", more: str = "") -> str:
    return f'(module {MEMORY} {ALLOC} {more} (func $f (export "f") (result {result}) {body}))'


def packed(address: int, length: int) -> str:
    return function(f"i64.const {address << 32 | length}")


LOOP = function("(loop $l br $l) unreachable")


class Victim:
    """A process with a database, where hostile procedures are made and called."""

    def __init__(self, host, tmp_path):
        self.host = host(f"file:{tmp_path}/victim.db")
        self.create("good", GOOD)

    def create(self, name: str, module: bytes, **definition):
        text = base64.b64encode(module).decode()
        return self.host.one("SELECT proc_create(?, ?, ?)", name, text, json.dumps({"replace": True, **definition}))

    def refused(self, sql: str, *arguments) -> str:
        with pytest.raises(HostError) as caught:
            self.host.run(sql, *arguments)
        self.lives()
        return str(caught.value)

    def lives(self) -> None:
        assert self.host.one("SELECT good(41)") == 42
        assert self.host.one("SELECT proc_call('good', 41)") == 42

    def memory(self) -> int:
        """Resident bytes."""
        self.host.send("python", code="answer = int(open('/proc/self/statm').read().split()[1]) * 4096")
        return self.host.answer()


@pytest.fixture
def victim(host, tmp_path):
    return Victim(host, tmp_path)


# Traps ---------------------------------------------------------------------------

TRAPS = {
    "unreachable": (function("unreachable"), "unreachable"),
    "out of bounds read": (function("i32.const 0x7fffffff i64.load"), "out of bounds"),
    "out of bounds write": (function("i32.const 65536 i64.const 1 i64.store i64.const 0"), "out of bounds"),
    "address with offset": (function("i32.const -1 i64.load offset=0xffffffff"), "out of bounds"),
    "division by zero": (function("i64.const 1 i64.const 0 i64.div_s"), "divi"),
    "overflowing division": (function("i64.const 0x8000000000000000 i64.const -1 i64.div_s"), "overflow"),
    "float to integer": (function("f64.const nan i64.trunc_f64_s"), "conver"),
    "null call": (function("i32.const 0 call_indirect (type $t)", more="(type $t (func (result i64))) (table 1 funcref)"), "uninitialized"),
    "wrong signature": (function(
        "i32.const 0 call_indirect (type $t)",
        more="(type $t (func (result i64))) (table 1 funcref) (elem (i32.const 0) $g) (func $g (result i32) i32.const 1)"),
        "indirect call"),
    "outside the table": (function(
        "i32.const 9 call_indirect (type $t)", more="(type $t (func (result i64))) (table 1 funcref)"), "table"),
    "memory.fill": (function("i32.const 0 i32.const 1 i32.const -1 memory.fill i64.const 0"), "out of bounds"),
    "memory.copy": (function("i32.const 0 i32.const 65536 i32.const 1 memory.copy i64.const 0"), "out of bounds"),
    "deep recursion": (function("call $f i64.const 1 i64.add"), "stack"),
    "wide frames": (function(
        "call $g drop i64.const 0",
        more="(func $g (result i64) (local i64 i64 i64 i64 i64 i64 i64 i64) call $g local.tee 0 local.get 0 i64.add)"),
        "stack"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_traps(victim, name):
    module, word = TRAPS[name]
    victim.create("bad", wat(module))
    for sql in ("SELECT bad()", "SELECT proc_call('bad')"):
        text = victim.refused(sql)
        assert "'bad'" in text and word in text.lower(), text


def test_a_trap_names_the_guests_functions(victim):
    victim.create("bad", wat(
        f'(module (func $innermost unreachable) (func $middle call $innermost) (func (export "bad") call $middle))'))
    text = victim.refused("SELECT bad()")
    assert "innermost" in text and "middle" in text


def test_a_trap_names_rust_functions(victim):
    """Names are readable, not mangled."""
    module, definition = EXAMPLES["fib"]
    victim.create("fib", example(module), timeout="100ms")
    assert "fib" in victim.refused("SELECT fib(90)")


def test_state_is_gone_after_a_trap(victim):
    """What a trap left half done is never seen again."""
    victim.create("bad", wat(
        '(module (global $g (mut i64) (i64.const 0)) (func (export "f") (param i64) (result i64)'
        " global.get $g i64.const 1 i64.add global.set $g"
        " local.get 0 i64.eqz if unreachable end global.get $g))"))
    assert victim.host.run("SELECT bad(1) FROM json_each('[1,2]')") == [(1,), (2,)]
    victim.refused("SELECT bad(0)")
    assert victim.host.run("SELECT bad(1)") == [(1,)]


# Time ----------------------------------------------------------------------------

ENDLESS = {
    "loop": LOOP,
    "start function": '(module (start $s) (func $s (loop $l br $l)) (func (export "f") (result i64) i64.const 0))',
    "initialize": f'(module (func (export "_initialize") (loop $l br $l)) (func (export "f") (result i64) i64.const 0))',
    "mutual recursion": function(
        "(loop $l call $g br $l) unreachable", more="(func $g (local i32) (loop $m local.get 0 i32.const 1 i32.add local.tee 0 br_if $m))"),
    "many small fills": function("(loop $l i32.const 0 i32.const 1 i32.const 65536 memory.fill br $l) unreachable"),
    "indirect": function(
        "i32.const 0 call_indirect (type $t)",
        more="(type $t (func (result i64))) (table 1 funcref) (elem (i32.const 0) $g) (func $g (result i64) (loop $l br $l) unreachable)"),
    "no allocator returns": '(module (memory (export "memory") 1) (func (export "sqlbridge_alloc") (param i32) (result i32) (loop $l br $l) unreachable)'
        ' (func (export "f") (param i32 i32) (result i64) i64.const 0))',
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless(victim, name):
    definition = {"timeout": "200ms"}
    call = "SELECT bad()"
    if name == "no allocator returns":
        definition |= {"params": params("TEXT"), "return_type": "TEXT"}
        call = "SELECT bad('x')"
    victim.create("bad", wat(ENDLESS[name]), **definition)
    text = victim.refused(call)
    assert "'bad'" in text and "time" in text and "200" in text, text


def test_the_time_limit_of_a_statement(victim):
    """Each call is short; all together are not."""
    victim.create("slow", example("fib"), export="fib", statement_timeout="300ms", timeout="2s")
    text = victim.refused("WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT sum(slow(24)) FROM n")
    assert "'slow'" in text and "300" in text and "statement" in text
    assert victim.host.one("SELECT slow(10)") == 55, "the next statement begins anew"


def test_a_long_scan_has_no_limit_by_itself(victim):
    victim.create("quick", example("fib"), export="fib", timeout="150ms")
    count = 40
    got = victim.host.run(
        f"WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n WHERE x < {count}) SELECT sum(quick(27)) FROM n")
    assert got == [(count * 196418,)], "each call is within the limit, the statement is longer"


@pytest.mark.parametrize("part", ["init", "step", "final"])
def test_endless_aggregates(victim, part):
    bodies = {"init": "i32.const 0", "step": "", "final": "i64.const 0"}
    bodies[part] = "(loop $l br $l) unreachable"
    victim.create("bad", wat(
        f'(module (func (export "init") (result i32) {bodies["init"]}) (func (export "step") (param i32 i64) {bodies["step"]})'
        f' (func (export "final") (param i32) (result i64) {bodies["final"]}))'), kind="aggregate", timeout="150ms")
    text = victim.refused("SELECT bad(value) FROM json_each('[1,2]')")
    assert "'bad'" in text and "150" in text


@pytest.mark.parametrize("part", ["open", "next", "close"])
def test_endless_tables(victim, part):
    bodies = {"open": "i32.const 0", "next": "i64.const 0", "close": ""}
    bodies[part] = "(loop $l br $l) unreachable"
    victim.create("bad", wat(
        f'(module {MEMORY} {ALLOC} (func (export "open") (result i32) {bodies["open"]})'
        f' (func (export "next") (param i32) (result i64) {bodies["next"]}) (func (export "close") (param i32) {bodies["close"]}))'),
        kind="table", columns=[{"name": "x", "data_type": "INT"}], timeout="150ms")
    if part == "close":
        # The rows were right; that their scan does not end well must not hang anybody.
        try:
            victim.host.run("SELECT * FROM bad()")
        except HostError as error:
            assert "150" in str(error)
        victim.lives()
        return
    text = victim.refused("SELECT * FROM bad()")
    assert "'bad'" in text and "150" in text


INTERRUPT = """
import threading, time
db = connections["main"]
def stop():
    time.sleep(0.3)
    db.interrupt()
threading.Thread(target=stop).start()
try:
    db.execute({sql!r}).fetchall()
    answer = "it ended by itself"
except sqlite3.Error as error:
    answer = [str(error), error.sqlite_errorname]
"""


@pytest.mark.parametrize("sql", ["SELECT bad()", "SELECT proc_call('bad')", "SELECT * FROM json_each('[1]') WHERE bad() = value"])
def test_interrupt(victim, sql):
    """Long before the limit, which is a minute."""
    victim.create("bad", wat(LOOP), timeout="60s")
    text, code = interrupted(victim, sql)
    assert "interrupt" in text and code == "SQLITE_INTERRUPT"
    victim.lives()


def asking(victim, **more) -> None:
    victim.create("ask", example("ask"), params=params("TEXT", "BIGINT"), return_type="JSON", sql="read", **more)


FOREVER = "WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n WHERE x > ?"


def test_the_time_limit_holds_in_sql_of_the_guest(victim):
    asking(victim, timeout="200ms")
    text = victim.refused("SELECT ask(?, 1)", FOREVER)
    assert "'ask'" in text and "200" in text and "time" in text
    assert json.loads(victim.host.one("SELECT ask('SELECT ?', 5)"))["rows"] == [[5]]


def test_sql_of_the_guest_is_interrupted(victim):
    asking(victim, timeout="60s")
    text, code = interrupted(victim, f"SELECT ask('{FOREVER}', 1)")
    assert "interrupt" in text and code == "SQLITE_INTERRUPT"
    victim.lives()


def test_a_query_of_a_hundred_megabytes(victim):
    """The answer is bounded, whatever the guest asks for."""
    asking(victim)
    before = victim.memory()
    try:
        victim.host.one("SELECT length(ask('SELECT hex(zeroblob(?))', 100000000))")
    except HostError as error:
        assert "'ask'" in str(error)
    victim.lives()
    assert victim.memory() - before < 400 << 20


def interrupted(victim, sql: str) -> list:
    """Runs a statement on a connection that another thread interrupts after a moment."""
    again = f"sqlite3.connect({file_of(victim)!r}, check_same_thread=False, isolation_level=None)"
    victim.host.send("python", code=f"connections['main'].close(); connections['main'] = {again}")
    victim.host.answer()
    victim.host.send("python", code=INTERRUPT.format(sql=sql))
    return victim.host.answer()


def file_of(victim) -> str:
    return victim.host.one("SELECT file FROM pragma_database_list")


def test_a_progress_handler_stops_it(victim):
    """What hosts with their own time limits do."""
    victim.create("bad", example("fib"), export="fib", timeout="60s")
    victim.host.send("python", code="connections['main'].set_progress_handler(lambda: 1, 1)")
    victim.host.answer()
    with pytest.raises(HostError, match="interrupt"):
        victim.host.run("WITH RECURSIVE n(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM n) SELECT sum(bad(20)) FROM n")
    victim.host.send("python", code="connections['main'].set_progress_handler(None, 0)")
    victim.host.answer()
    victim.lives()


# Memory, tables, output ------------------------------------------------------------

BOMB = function("(loop $l i32.const 16 memory.grow i32.const -1 i32.ne br_if $l) unreachable")
TOUCHING_BOMB = function(
    "(loop $l i32.const 16 memory.grow local.tee 0 i32.const -1 i32.eq if unreachable end"
    " local.get 0 i32.const 16 i32.shl i32.const 1 i32.const 0x100000 memory.fill br $l) unreachable").replace(
    "(result i64)", "(result i64) (local i32)")


@pytest.mark.parametrize("module", [BOMB, TOUCHING_BOMB], ids=["grows", "grows and touches"])
def test_memory_bombs(victim, module):
    victim.create("bad", wat(module), memory="8MB")
    text = victim.refused("SELECT bad()")
    assert "'bad'" in text and "memory" in text and re.search(r"\b8 ?(MB|MiB)", text), text


def test_growing_within_the_limit(victim):
    """`memory.grow` is refused at the limit, not before, and a module may live with that."""
    victim.create("grow", wat(f'(module {MEMORY} (func (export "f") (param i32) (result i32) local.get 0 memory.grow))'), memory="1MB")
    assert victim.host.one("SELECT grow(15)") == 1
    assert victim.host.one("SELECT grow(0)") == 1


def test_the_default_memory_limit(victim):
    victim.create("bad", wat(BOMB))
    text = victim.refused("SELECT bad()")
    assert "100" in text and "memory" in text


def test_a_module_that_begins_too_large(victim):
    victim.create("bad", wat('(module (memory 4096) (func (export "f")))'), memory="1MB")
    text = victim.refused("SELECT bad()")
    assert "'bad'" in text and "memory" in text and "1" in text


def test_table_bombs(victim):
    victim.create("bad", wat(function(
        "(loop $l ref.null func i32.const 100000 table.grow $t i32.const -1 i32.ne br_if $l) unreachable",
        more="(table $t 1 funcref)")), timeout="5s")
    text = victim.refused("SELECT bad()")
    assert "'bad'" in text and "table" in text


def test_many_memories_and_tables(victim):
    for what in ("(memory 1)" * 200, "(table 1 funcref)" * 200, "(table 10000000 funcref)"):
        module = wat(f'(module {what} (func (export "f") (result i64) i64.const 1))')
        try:
            victim.create("many", module)
            victim.host.run("SELECT many()")
        except HostError as error:
            assert "'many'" in str(error)
        victim.lives()


RESULTS = {
    "outside": (packed(0x7FFFFFFF, 10), ["0x7fffffff", "outside", "out of bounds", "beyond"]),
    "length beyond memory": (packed(0, 0x7FFFFFFF), ["outside", "beyond", "out of bounds", "limit"]),
    "both at their largest": (function("i64.const -1"), ["outside", "beyond", "out of bounds", "limit"]),
    "last byte": (packed(65535, 2), ["outside", "beyond", "out of bounds"]),
    "not UTF-8": (function(f"i64.const {8 << 32 | 3}", more='(data (i32.const 8) "a\\ffb")'), ["UTF-8"]),
    "half a character": (function(f"i64.const {8 << 32 | 1}", more='(data (i32.const 8) "\\c3")'), ["UTF-8"]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_are_none(victim, name):
    module, words = RESULTS[name]
    victim.create("bad", wat(module), return_type="TEXT")
    text = victim.refused("SELECT bad()")
    assert "'bad'" in text and any(word in text for word in words), text


def test_a_result_at_the_very_end_of_memory(victim):
    victim.create("edge", wat(function(f"i64.const {65533 << 32 | 3}", more='(data (i32.const 65533) "end")')), return_type="TEXT")
    assert victim.host.one("SELECT edge()") == "end"
    victim.create("edge", wat(packed(65536, 0)), return_type="TEXT")
    assert victim.host.one("SELECT edge()") == ""


def test_output_limit(victim):
    module = wat(f'(module (memory (export "memory") 64) {ALLOC} (func (export "f") (param i64) (result i64) local.get 0))')
    victim.create("bad", module, return_type="BLOB", output="1MB")
    assert victim.host.one("SELECT length(bad(1048576))") == 1048576
    text = victim.refused("SELECT bad(1048577)")
    assert "'bad'" in text and "output" in text and re.search(r"\b1 ?(MB|MiB)", text)


ANY = {
    "no bytes": "", "unknown tag": "\\09", "half an integer": "\\01\\00", "text without length": "\\03\\05",
    "text that is too long": "\\03\\ff\\ff\\ff\\7f", "text that is not UTF-8": "\\03\\01\\00\\00\\00\\ff", "more than a value": "\\00\\00",
}


def length_of(data: str) -> int:
    return len(data) // 3


@pytest.mark.parametrize("name", ANY)
def test_encoded_values_that_are_none(victim, name):
    data = ANY[name]
    victim.create("bad", wat(function(f"i64.const {8 << 32 | length_of(data)}", more=f'(data (i32.const 8) "{data}")')), return_type="ANY")
    assert "'bad'" in victim.refused("SELECT bad()")


def table(data: str, length: int | None = None) -> bytes:
    """A table whose every batch is these bytes."""
    length = length_of(data) if length is None else length
    return wat(
        f'(module {MEMORY} {ALLOC} (data (i32.const 8) "{data}") (func (export "open") (result i32) i32.const 0)'
        f' (func (export "next") (param i32) (result i64) i64.const {8 << 32 | length}))')


COLUMNS = [{"name": "x", "data_type": "BIGINT"}, {"name": "y", "data_type": "BIGINT"}]


@pytest.mark.parametrize("name, module", [
    ("half a row", table("\\00")), ("a row and a half", table("\\00\\00\\00")), ("unknown tag", table("\\09\\00")),
    ("cut off", table("\\01\\00")), ("outside", table("\\00\\00", 70000)),
])
def test_rows_that_are_none(victim, name, module):
    victim.create("bad", module, kind="table", columns=COLUMNS)
    assert "'bad'" in victim.refused("SELECT x, y FROM bad() LIMIT 5")


def test_endless_rows_can_be_limited(victim):
    victim.create("rows", table("\\00\\00"), kind="table", columns=COLUMNS)
    assert victim.host.run("SELECT * FROM rows() LIMIT 2") == [(None, None), (None, None)]


@pytest.mark.parametrize("address", [0x7FFFFFFF, -1, 65530, 0])
def test_allocators_that_lie(victim, address):
    victim.create("bad", wat(
        f'(module {MEMORY} (func (export "sqlbridge_alloc") (param i32) (result i32) i32.const {address})'
        ' (func (export "f") (param i32 i32) (result i64) i64.const 0))'), params=params("TEXT"), return_type="TEXT")
    text = victim.refused("SELECT bad('a text of some length')")
    assert "'bad'" in text and ("sqlbridge_alloc" in text or "alloc" in text or "memory" in text)


def test_an_allocator_that_calls_back(victim):
    """During an argument's allocation the guest says NULL, fails, or shrinks nothing: all its own affair."""
    victim.create("bad", wat(
        '(module (import "sqlbridge" "fail" (func $fail (param i32 i32))) (memory (export "memory") 1) (data (i32.const 8) "no room")'
        ' (func (export "sqlbridge_alloc") (param i32) (result i32) i32.const 8 i32.const 7 call $fail unreachable)'
        ' (func (export "f") (param i32 i32) (result i64) i64.const 0))'), params=params("TEXT"), return_type="TEXT")
    assert "no room" in victim.refused("SELECT bad('x')")


@pytest.mark.parametrize("address, length", [(0x7FFFFFFF, 5), (0, -1), (-1, -1), (65536, 1)])
def test_failures_with_bad_sentences(victim, address, length):
    victim.create("bad", wat(
        '(module (import "sqlbridge" "fail" (func $fail (param i32 i32))) (memory (export "memory") 1)'
        f' (func (export "f") i32.const {address} i32.const {length} call $fail))'))
    assert "'bad'" in victim.refused("SELECT bad()")


def test_a_sentence_that_is_not_utf8(victim):
    victim.create("bad", wat(
        '(module (import "sqlbridge" "fail" (func $fail (param i32 i32))) (memory (export "memory") 1) (data (i32.const 8) "wo\\ffrd")'
        ' (func (export "f") i32.const 8 i32.const 5 call $fail))'))
    text = victim.refused("SELECT bad()")
    assert "'bad'" in text and "wo" in text


def test_a_sentence_of_a_megabyte(victim):
    victim.create("bad", wat(
        '(module (import "sqlbridge" "fail" (func $fail (param i32 i32))) (memory (export "memory") 32)'
        ' (func (export "f") i32.const 0 i32.const 97 i32.const 2000000 memory.fill i32.const 0 i32.const 2000000 call $fail))'))
    assert len(victim.refused("SELECT bad()")) < 2_100_000


# WASI ----------------------------------------------------------------------------


def wasi(name: str, signature: str, call: str) -> bytes:
    return wat(
        f'(module (import "wasi_snapshot_preview1" "{name}" (func $w {signature})) (memory (export "memory") 1)'
        f' (data (i32.const 64) "/etc/passwd") (func (export "f") (result i32) {call}))')


def test_there_is_no_file(victim):
    victim.create("open", wasi(
        "path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
        "i32.const 3 i32.const 0 i32.const 64 i32.const 11 i32.const 0 i64.const 1 i64.const 1 i32.const 0 i32.const 100 call $w"))
    assert victim.host.one("SELECT open()") != 0
    victim.create("preopen", wasi("fd_prestat_get", "(param i32 i32) (result i32)", "i32.const 3 i32.const 100 call $w"))
    assert victim.host.one("SELECT preopen()") == 8, "EBADF: what wasi-libc waits for"


def test_exit_ends_the_statement_not_the_process(victim):
    victim.create("leave", wasi("proc_exit", "(param i32)", "i32.const 3 call $w i32.const 0"))
    text = victim.refused("SELECT leave()")
    assert "'leave'" in text and "exit" in text and "3" in text


def test_output_is_dropped(victim, tmp_path):
    victim.create("say", wat(
        '(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)'
        ' (data (i32.const 16) "hello") (func (export "f") (param i32) (result i32)'
        " i32.const 0 i32.const 16 i32.store i32.const 4 i32.const 5 i32.store"
        " local.get 0 i32.const 0 i32.const 1 i32.const 8 call $w drop i32.const 8 i32.load))"))
    assert victim.host.run("SELECT say(1), say(2)") == [(5, 5)]


CLOCK = (
    '(module (import "wasi_snapshot_preview1" "clock_time_get" (func $w (param i32 i64 i32) (result i32))) (memory (export "memory") 1)'
    ' (func (export "f") (result i64) i32.const 0 i64.const 1 i32.const 8 call $w drop i32.const 8 i64.load))')
RANDOM = (
    '(module (import "wasi_snapshot_preview1" "random_get" (func $w (param i32 i32) (result i32))) (memory (export "memory") 1)'
    ' (func (export "f") (result i64) i32.const 8 i32.const 8 call $w drop i32.const 8 i64.load))')


def test_time_and_chance_are_granted(victim):
    victim.create("now", wat(CLOCK))
    assert victim.host.one("SELECT now()") in (0, 1)
    victim.create("now", wat(CLOCK), clock=True)
    assert abs(victim.host.one("SELECT now() / 1000000000 - unixepoch()")) <= 2
    victim.create("draw", wat(RANDOM))
    first = victim.host.one("SELECT draw()")
    assert victim.host.one("SELECT draw()") == first
    victim.create("draw", wat(RANDOM), random=True)
    assert len({victim.host.one("SELECT draw()") for _ in range(4)}) == 4


def test_sleeping_is_bounded(victim):
    """poll_oneoff with a clock of an hour: the time limit holds there too."""
    victim.create("sleep", wat(
        '(module (import "wasi_snapshot_preview1" "poll_oneoff" (func $w (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1)'
        ' (func (export "f") (result i32)'
        " i32.const 16 i32.const 1 i32.store i32.const 24 i64.const 3600000000000 i64.store"
        " i32.const 0 i32.const 512 i32.const 1 i32.const 400 call $w))"), timeout="200ms", clock=True)
    try:
        victim.host.run("SELECT sleep()", seconds=20)
    except HostError as error:
        assert "'sleep'" in str(error)
    victim.lives()


# Malformed modules ------------------------------------------------------------------


def test_damaged_modules(victim):
    """Each prefix and many flipped bits of a real module: refused in a sentence, or a module."""
    module = example("text")
    cuts = [module[:n] for n in [*range(0, 64), *range(64, len(module), len(module) // 30)]]
    flips = []
    for n in range(8, len(module), len(module) // 40):
        damaged = bytearray(module)
        damaged[n] ^= 1 << (n % 8)
        flips.append(bytes(damaged))
    refused = 0
    for damaged in cuts + flips:
        try:
            victim.create("shout", damaged, params=params("TEXT"), return_type="TEXT", timeout="1s")
            victim.host.run("SELECT shout('x')")
        except HostError as error:
            refused += 1
            assert "shout" in str(error)
    assert refused >= len(cuts), "no prefix is a module"
    victim.lives()


def test_ten_thousand_exports(victim):
    exports = "".join(f'(export "e{n}" (func $f))' for n in range(10_000))
    module = wat(f'(module (func $f (result i64) i64.const 5) {exports})')
    victim.create("many", module, export="e9999")
    assert victim.host.one("SELECT many()") == 5
    text = victim.refused("SELECT proc_create('which', ?)", base64.b64encode(module).decode())
    assert "'which'" in text and len(text) < 2000, "it does not list them all"


def test_a_function_of_a_hundred_thousand_instructions(victim):
    victim.create("long", wat(function("i64.const 0" + " i64.const 1 i64.add" * 50_000)), timeout="30s")
    assert victim.host.one("SELECT long()") == 50_000


def test_names_of_a_module_are_only_text(victim):
    """Export names with quotes, newlines and a megabyte of letters."""
    victim.create("odd", wat('(module (func (export "a\\22b\\0ac; DROP TABLE x") (result i64) i64.const 1))'))
    assert victim.host.one("SELECT odd()") == 1
    big = wat(f'(module (func (export "{"x" * 90_000}") (result i64) i64.const 1) (func (export "y") (result i64) i64.const 2))')
    assert len(victim.refused("SELECT proc_create('big', ?)", base64.b64encode(big).decode())) < 5000


# Memory of the process ---------------------------------------------------------------


@pytest.mark.parametrize("name, module, definition", [
    ("bomb", TOUCHING_BOMB, dict(memory="16MB")),
    ("trap", function("unreachable"), {}),
    ("recursion", TRAPS["deep recursion"][0], {}),
])
def test_the_process_does_not_grow(victim, name, module, definition):
    victim.create("bad", wat(module), **definition)
    for _ in range(10):
        with pytest.raises(HostError):
            victim.host.run("SELECT bad()")
    before = victim.memory()
    for _ in range(30):
        with pytest.raises(HostError):
            victim.host.run("SELECT bad()")
    assert victim.memory() - before < 24 << 20, "30 times 16 MB would be 480 MB"
    victim.lives()


def test_many_procedures_replaced(victim):
    def round_of(number: int) -> None:
        victim.create("f", wat(f'(module (func (export "f") (result i64) i64.const {number}))'))
        assert victim.host.one("SELECT f()") == number

    for number in range(100):
        round_of(number)
    before = victim.memory()
    for number in range(100, 250):
        round_of(number)
    assert victim.memory() - before < 16 << 20


# Hosts with signal handlers of their own -----------------------------------------------

HOSTILE = {name: base64.b64encode(wat(TRAPS[name][0])).decode() for name in (
    "unreachable", "out of bounds read", "division by zero", "deep recursion")}

FAULTHANDLER = f"""
import faulthandler, sqlite3, sys, json
when, modules = sys.argv[1], json.loads(sys.argv[2])
if when == "before": faulthandler.enable()
c = sqlite3.connect(":memory:"); c.enable_load_extension(True); c.load_extension({EXTENSION!r})
if when == "after load": faulthandler.enable()
c.execute("SELECT proc_create('good', ?)", (bytes.fromhex(sys.argv[3]),)).fetchall()
c.execute("SELECT good(1)").fetchall()
if when == "after use": faulthandler.enable()
for round in range(3):
    for module in modules:
        c.execute("SELECT proc_create('bad', ?, ?)", (module, '{{"replace": true}}')).fetchall()
        try:
            c.execute("SELECT bad()").fetchall()
        except sqlite3.Error as error:
            assert "'bad'" in str(error), error
        else:
            raise SystemExit("no error")
        assert c.execute("SELECT good(41)").fetchone() == (42,)
    if when == "disabled in between": faulthandler.enable(); faulthandler.disable()
print("alive", flush=True)
if when == "before":
    import ctypes
    ctypes.string_at(0)
"""


@pytest.mark.parametrize("when", ["never", "before", "after load", "after use", "disabled in between"])
def test_pythons_faulthandler(when):
    """It takes over SIGSEGV, SIGFPE and SIGILL, before us or after us. Its own reports still come."""
    done = subprocess.run(
        [PYTHON, "-c", FAULTHANDLER, when, json.dumps(list(HOSTILE.values())), GOOD.hex()],
        capture_output=True, text=True, timeout=120)
    assert "alive" in done.stdout, f"{done.returncode}: {done.stderr[-2000:]}"
    if when == "before":
        assert done.returncode == -11 and "Segmentation fault" in done.stderr, "a real fault is still the host's"
    else:
        assert done.returncode == 0 and done.stderr == ""


NODE = """
const { createRequire } = require("node:module");
const Database = createRequire(process.env.SQLBRIDGE_NODE_MODULES + "/")("better-sqlite3");
const [library, good, modules] = process.argv.slice(1);
const db = new Database(":memory:");
db.loadExtension(library);
db.prepare("SELECT proc_create('good', ?)").get(good);
const own = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(JSON.parse(modules)[1], "base64"))).exports;
for (let round = 0; round < 3; round++) for (const module of JSON.parse(modules)) {
  db.prepare("SELECT proc_create('bad', ?, '{\\"replace\\": true}')").get(module);
  let text = "none";
  try { db.prepare("SELECT bad()").get(); } catch (error) { text = error.message; }
  if (!text.includes("'bad'")) throw new Error(text);
  let theirs = "none";
  try { own.f(); } catch (error) { theirs = error.constructor.name; }
  if (theirs !== "RuntimeError") throw new Error("Node's own trap: " + theirs);
  if (db.prepare("SELECT good(41) AS x").get().x !== 42) throw new Error("good");
}
console.log("alive");
"""


def test_node_traps_beside_ours():
    """V8 uses the same signals for its own WebAssembly: both go on working."""
    if tool("node") is None or not (NODE_MODULES / "better-sqlite3").exists():
        pytest.skip("node or better-sqlite3 is not installed: make test-deps")
    done = subprocess.run(
        ["node", "-e", NODE, EXTENSION, base64.b64encode(GOOD).decode(), json.dumps(list(HOSTILE.values()))],
        capture_output=True, text=True, timeout=120, env={**os.environ, "SQLBRIDGE_NODE_MODULES": str(NODE_MODULES)})
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]


def test_the_jvm():
    """It uses SIGSEGV for its own null checks and safepoints."""
    jars = sorted(JDBC.glob("*.jar"))
    if tool("java") is None or not jars:
        pytest.skip("java or the JDBC driver is not installed: make test-deps (needs java and mvn)")
    done = subprocess.run(
        ["java", "-cp", ":".join(map(str, jars)), str(TESTS / "hosts/java/Traps.java"), EXTENSION,
         base64.b64encode(GOOD).decode(), *HOSTILE.values()],
        capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), f"{done.stdout}{done.stderr[-3000:]}"


def test_threads_and_forks(tmp_path):
    """Time limits work on other threads and in a child that was forked after use."""
    code = f"""
import base64, json, os, sqlite3, sys, threading, warnings
warnings.simplefilter("ignore")
first = sqlite3.connect(":memory:"); first.enable_load_extension(True); first.load_extension({EXTENSION!r})
def work():
    c = sqlite3.connect(":memory:")
    c.execute("SELECT proc_create('bad', ?, '{{\\"timeout\\": \\"100ms\\"}}')", (bytes.fromhex(sys.argv[1]),)).fetchall()
    try: c.execute("SELECT bad()").fetchall()
    except sqlite3.Error as error: return "100" in str(error)
    return False
answers = []
threads = [threading.Thread(target=lambda: answers.append(work())) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
assert answers == [True] * 4, answers
pid = os.fork()
if pid == 0:
    os._exit(0 if work() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert work()
print("alive")
"""
    done = subprocess.run([PYTHON, "-c", code, wat(LOOP).hex()], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr[-2000:]
