"""python3 changeset_oracle.py FIRST LAST   compares with SQLite's session extension, seed by seed

apsw's SQLite has the session extension and loads our library, so both work on one copy of SQLite in
one process. Each seed makes random tables, rows and changes; whatever native and ours can both do is
done by both and compared: decoding, invert, concat, group, apply conflict by conflict and row by row,
rebase blobs, rebased changesets. Prints a line for each difference and, last, what was compared.
"""

import collections
import itertools
import json
import random
import sys
import zlib

import apsw

sys.path.insert(0, __file__.rsplit("/", 2)[0])
from support.paths import EXTENSION  # noqa: E402

KINDS = {
    apsw.SQLITE_CHANGESET_DATA: "DATA",
    apsw.SQLITE_CHANGESET_NOTFOUND: "NOTFOUND",
    apsw.SQLITE_CHANGESET_CONFLICT: "CONFLICT",
    apsw.SQLITE_CHANGESET_CONSTRAINT: "CONSTRAINT",
    apsw.SQLITE_CHANGESET_FOREIGN_KEY: "FOREIGN_KEY",
}
VERDICTS = {
    "omit": apsw.SQLITE_CHANGESET_OMIT,
    "replace": apsw.SQLITE_CHANGESET_REPLACE,
    "abort": apsw.SQLITE_CHANGESET_ABORT,
}
NOTHING = ("not told",)
seen = collections.Counter()


# One form of a change for both sides ------------------------------------------------------------------


def plain(value):
    """A value as apsw gives it."""
    if value is apsw.no_change:
        return NOTHING
    return (type(value).__name__, value)


def from_json(text):
    """A record as our functions give it."""
    if text is None:
        return None

    def value(item):
        if item == {}:
            return NOTHING
        if isinstance(item, dict):
            (kind, digits), = item.items()
            return ("bytes" if kind == "blob" else "not UTF-8", bytes.fromhex(digits))
        return (type(item).__name__, item)

    return tuple(map(value, json.loads(text)))


def record(values):
    return None if values is None else tuple(map(plain, values))


def native_changes(changeset):
    return [
        (c.name, c.op, c.indirect, record(c.old), record(c.new), c.pk_columns)
        for c in apsw.Changeset.iter(changeset)
    ]


def our_changes(db, changeset):
    rows = db.execute('SELECT "table", op, indirect, old, new, columns FROM changeset_each(?)', (changeset,))
    return [
        (
            table, op, bool(indirect), from_json(old), from_json(new),
            {i for i, place in enumerate(json.loads(columns)) if place},
        )
        for table, op, indirect, old, new, columns in rows
    ]


def as_set(changes):
    return collections.Counter(repr(change) for change in changes)


# Databases --------------------------------------------------------------------------------------------


def connect():
    db = apsw.Connection(":memory:")
    db.enable_load_extension(True)
    db.load_extension(EXTENSION)
    return db


#: Columns after `id` or instead of it, for tables t0, t1, ...
SHAPES = [
    "id INTEGER PRIMARY KEY, a, b UNIQUE, c",
    "id TEXT PRIMARY KEY, a NOT NULL, b, c",
    "b, a, id, c, PRIMARY KEY(a, b)",
    "id, a, b, c CHECK (c IS NOT 5), PRIMARY KEY(id, c) ",
    "id INT, a, b, c, PRIMARY KEY(id, a), UNIQUE(b, c)",
    "id INTEGER PRIMARY KEY, a REFERENCES t0(id), b UNIQUE, c UNIQUE",
    "id PRIMARY KEY, a COLLATE NOCASE UNIQUE, b INT, c TEXT",
    "id INTEGER PRIMARY KEY, a, b AS (c || 'x') STORED, c, d AS (a) VIRTUAL, e DEFAULT 7",
    "id INTEGER PRIMARY KEY, a REFERENCES t0(id) ON DELETE CASCADE, b, c REAL",
    "id, a, b, c, PRIMARY KEY(id, a, b, c)",
    "id, a, b UNIQUE, c",
]
TRIGGERS = [
    "CREATE TRIGGER {1}_i AFTER INSERT ON {0} BEGIN INSERT INTO log VALUES('{1} +', new.id); END",
    "CREATE TRIGGER {1}_d AFTER DELETE ON {0} BEGIN INSERT INTO log VALUES('{1} -', old.id); END",
    "CREATE TRIGGER {1}_u AFTER UPDATE ON {0} BEGIN INSERT INTO log VALUES('{1} =', new.id); END",
    "CREATE TRIGGER {1}_r BEFORE DELETE ON {0} WHEN old.id = 3 BEGIN SELECT raise(IGNORE); END",
    "CREATE TRIGGER {1}_a BEFORE UPDATE ON {0} WHEN new.id = 2 BEGIN SELECT raise(ABORT, 'no'); END",
]


def value(rng, small=8):
    # No REAL equals an INTEGER: a key that changes from 0 to 0.0 SQLite writes as an UPDATE of the key.
    return rng.choice(
        [
            rng.randrange(small), rng.randrange(small), rng.randrange(small), None,
            f"text{rng.randrange(small)}", rng.randrange(small) + 0.25, bytes([rng.randrange(small)]),
            rng.choice([b"", "", 2**63 - 1, -(2**63), 1e300, "grüße", "x" * 200, "nul\0inside"]),
        ]
    )


def schema(rng):
    shapes = [SHAPES[rng.choice([0, 0, 6])]] + rng.sample(SHAPES, rng.randrange(3))
    tables = {f"t{n}" if rng.random() < 0.9 else f't"{n} x': shape for n, shape in enumerate(shapes)}
    tables = {("t0" if n == 0 else name): shape for n, (name, shape) in enumerate(tables.items())}
    sql = ["CREATE TABLE log(what, id)"]
    for name, shape in tables.items():
        without = " WITHOUT ROWID" if rng.random() < 0.3 and "PRIMARY KEY" in shape else ""
        sql.append(f"CREATE TABLE {quoted(name)}({shape}){without}")
    return list(tables), sql


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def columns(db, table):
    return [
        name for (name, hidden) in db.execute(
            "SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)
        ) if hidden == 0
    ]


def mutate(rng, db, tables, count):
    """Random changes; what a constraint refuses is left out."""
    for _ in range(count):
        table = rng.choice(tables)
        names = columns(db, table)
        kind = rng.randrange(10)
        if kind < 4:
            marks = ",".join("?" * len(names))
            sql = f"INSERT INTO {quoted(table)}({','.join(names)}) VALUES({marks})"
            values = [rng.randrange(12) if n == "id" else value(rng) for n in names]
        elif kind < 8:
            changed = rng.sample(names, rng.randrange(1, len(names) + 1))
            if rng.random() < 0.7:
                changed = [n for n in changed if n != "id"] or ["c"]
            assignments = ", ".join(f"{n} = ?" for n in changed)
            sql = f"UPDATE {quoted(table)} SET {assignments} WHERE id = ?"
            values = [value(rng) for _ in changed] + [rng.randrange(12)]
        else:
            sql = f"DELETE FROM {quoted(table)} WHERE id = ?"
            values = [rng.randrange(12)]
        try:
            db.execute(sql, values)
        except (apsw.ConstraintError, apsw.MismatchError):
            pass


def swap(rng, db, table):
    """Values that trade places: only stand-ins let them through a unique index."""
    unique = [n for n in columns(db, table) if n == "b"]
    if not unique:
        return
    column = unique[0]
    rows = list(db.execute(f"SELECT id, {column} FROM {quoted(table)} WHERE {column} IS NOT NULL"))
    picked = rng.sample(rows, min(len(rows), rng.randrange(2, 4)))
    try:
        with db:
            for id_, _ in picked:
                db.execute(f"UPDATE {quoted(table)} SET {column} = ? WHERE id = ?", (f"away {id_}", id_))
            for (id_, _), (_, new) in zip(picked, picked[1:] + picked[:1]):
                db.execute(f"UPDATE {quoted(table)} SET {column} = ? WHERE id = ?", (new, id_))
    except apsw.ConstraintError:
        pass


def captured(rng, db, tables, count, patchset=False):
    """What a native session says of random changes."""
    session = apsw.Session(db, "main")
    # Tables without a primary key are known by their rowid.
    session.config(apsw.SQLITE_SESSION_OBJCONFIG_ROWID, True)
    session.attach()
    for _ in range(rng.randrange(3)):
        swap(rng, db, rng.choice(tables))
    mutate(rng, db, tables, count)
    both = session.changeset(), session.patchset()
    session.close()
    return both


def clone(db):
    other = connect()
    image = db.serialize("main")
    other.deserialize("main", image)
    return other


def dump(db, tables):
    # The order of the log is that of the changes; it is compared as it is.
    return {
        table: list(db.execute(f"SELECT * FROM {quoted(table)}" + ("" if table == "log" else " ORDER BY 1, 2, 3")))
        for table in [*tables, "log"]
    }


# What is compared -------------------------------------------------------------------------------------


def check(what, native, ours):
    seen[what] += 1
    if native != ours:
        raise AssertionError(f"{what}:\n  native {native!r}\n  ours   {ours!r}")


def transforms(db, one, two, three):
    for changeset in (one, two, three):
        check("decode", native_changes(changeset), our_changes(db, changeset))
        check("check", "ok", db.execute("SELECT changeset_check(?)", (changeset,)).get)
    concat = db.execute("SELECT changeset_concat(?, ?)", (one, two)).get
    check("concat", as_set(native_changes(apsw.Changeset.concat(one, two))), as_set(native_changes(concat)))
    builder = apsw.ChangesetBuilder()
    for changeset in (one, two, three):
        builder.add(changeset)
    ours = db.execute("SELECT changeset_group(column1) FROM (VALUES(?),(?),(?),(NULL))", (one, two, three)).get
    check("group", as_set(native_changes(builder.output())), as_set(native_changes(ours)))
    return concat


def inversion(db, changeset):
    ours = db.execute("SELECT changeset_invert(?)", (changeset,)).get
    check("invert", apsw.Changeset.invert(changeset), ours)
    check("invert twice", changeset, db.execute("SELECT changeset_invert(?)", (ours,)).get)


def decide(seed, case):
    """The verdict of both sides, from nothing but the conflict."""
    number = zlib.crc32(repr((seed, case)).encode())
    kind = case[0]
    aborts = number % 53 == 0
    choice = ["omit", "replace"] if kind in ("DATA", "CONFLICT") else ["omit"]
    return "abort" if aborts or kind == "FOREIGN_KEY" and number % 3 == 0 else choice[number // 53 % len(choice)]


def apply_native(db, changeset, seed, rebase=False, noop=False):
    log = []
    flags = apsw.SQLITE_CHANGESETAPPLY_IGNORENOOP if noop else 0

    def handler(reason, change):
        kind = KINDS[reason]
        if kind == "FOREIGN_KEY":
            case = (kind, None, None, None, None, None)
        else:
            case = (kind, change.name, change.op, record(change.old), record(change.new), record(change.conflict))
        log.append(case)
        return VERDICTS[decide(seed, case)]

    return log, outcome(lambda: apsw.Changeset.apply(changeset, db, conflict=handler, rebase=rebase, flags=flags))


def apply_ours(db, changeset, seed, rebase=False, noop=False):
    log = []

    def policy(kind, table, op, old, new, current):
        case = (kind, table, op, from_json(old), from_json(new), from_json(current))
        log.append(case)
        return decide(seed, case)

    db.create_scalar_function("policy", policy, 6)
    text = json.dumps({"default": "policy", "rebase": rebase, "ignore_noop": noop})
    result, error = outcome(lambda: db.execute("SELECT changeset_apply(?, ?)", (changeset, text)).get)
    if error:
        return log, (None, error)
    result = json.loads(result)
    if rebase:
        import base64

        return log, (base64.b64decode(result["rebase"]), None)
    return log, (None, None)


def outcome(action):
    try:
        return action(), None
    except apsw.Error as error:
        return None, type(error).__name__


def application(rng, seed, target, tables, changeset, rebase):
    native, ours = clone(target), clone(target)
    keys, nested = rng.random() < 0.6, rng.random() < 0.3
    # SQLite's own test for changes that are made already does not quote the table's name, and takes a
    # DELETE for done where the row is there with nothing but NULL beside its key.
    noop = rng.random() < 0.5 and all(map(str.isalnum, tables))
    noop = noop and not any(change.op == "DELETE" for change in apsw.Changeset.iter(changeset))
    seen["made already"] += noop
    for db in (native, ours):
        db.pragma("foreign_keys", keys)
        if nested:
            db.execute("BEGIN")
    log_native, (blob_native, error_native) = apply_native(native, changeset, seed, rebase, noop)
    log_ours, (blob_ours, error_ours) = apply_ours(ours, changeset, seed, rebase, noop)
    check("conflicts", log_native, log_ours)
    check("error", error_native, error_ours)
    check("rows", dump(native, tables), dump(ours, tables))
    check("integrity", "ok", ours.pragma("integrity_check"))
    if nested:
        commits = [outcome(lambda db=db: db.execute("COMMIT") and None) for db in (native, ours)]
        check("commit", *commits)
    if rebase and not error_native:
        check("rebase blob", *map(resolutions, (blob_native or b"", blob_ours)))
        return blob_native or b""
    for kind in {case[0] for case in log_ours}:
        seen[f"with {kind}"] += 1
    return None


def resolutions(blob):
    """The entries of a rebase blob, each once: SQLite keeps those of attempts that it took back."""
    return list(dict.fromkeys(repr(change) for change in native_changes(blob)))


def rebasing(db, local, blobs):
    rebaser = apsw.Rebaser()
    for blob in blobs:
        rebaser.configure(blob)
    native = rebaser.rebase(local)
    marks = ", ?" * len(blobs)
    ours = db.execute(f"SELECT changeset_rebase(?{marks})", (local, *blobs)).get
    # SQLite forgets a row whose deletion won when another conflict in it follows (sessionChangeMerge
    # sets its result and then overwrites it with null). Ours remembers it, as SQLite's code means to.
    lost, forgotten = set(), set()
    for change in itertools.chain(*map(apsw.Changeset.iter, blobs)):
        key = (change.name, *(plain((change.old or change.new)[i]) for i in sorted(change.pk_columns)))
        if key in lost:
            forgotten.add(key)
        if change.op == "DELETE" and change.indirect:
            lost.add(key)

    def remembered(changes):
        return [
            change for change in changes
            if (change[0], *((change[3] or change[4])[i] for i in sorted(change[5]))) not in forgotten
        ]

    check("rebased", remembered(native_changes(native)), remembered(native_changes(ours)))


def damaged(rng, db, target, tables, changeset, seed):
    """What ours accepts, native accepts with the same meaning."""
    bytes_ = bytearray(changeset)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(bytes_))
        if rng.random() < 0.3:
            del bytes_[at:]
            break
        bytes_[at] = rng.choice([0, 1, 2, 3, 4, 5, 9, 18, 23, 84, 80, 255, rng.randrange(256)])
    bytes_ = bytes(bytes_)
    if not bytes_:
        return
    ours, error = outcome(lambda: our_changes(db, bytes_))
    seen["damaged"] += 1
    for function in ("invert(?1)", "concat(?1, ?2)", "rebase(?1, ?2)", "rebase(?2, ?1)", "check(?1)"):
        outcome(lambda: db.execute(f"SELECT changeset_{function}", (bytes_, changeset)).get)
    if error:
        return
    check("damaged, decoded", native_changes(bytes_), ours)
    # Other numbers for the columns of the key are no other key for ours.
    sql = "SELECT DISTINCT columns FROM changeset_each(?)"
    if set(db.execute(sql, (bytes_,))) - set(db.execute(sql, (changeset,))):
        return
    # A changeset's UPDATE to a value without one from: SQLite may compare with that of an earlier change,
    # because it keeps its statements by the columns they set only.
    kinds = {kind for (kind,) in db.execute("SELECT DISTINCT kind FROM changeset_each(?)", (bytes_,))}
    updates = [(c[3], c[4]) for c in ours if c[1] == "UPDATE"]
    if "changeset" in kinds and any(a == NOTHING != b for old, new in updates for a, b in zip(old, new)):
        return
    one, two = clone(target), clone(target)
    log_native, (_, error_native) = apply_native(one, bytes_, seed)
    log_ours, (_, error_ours) = apply_ours(two, bytes_, seed)
    if not error_native and not error_ours:
        check("damaged, conflicts", log_native, log_ours)
        check("damaged, rows", dump(one, tables), dump(two, tables))


def run(seed):
    rng = random.Random(seed)
    tables, sql = schema(rng)
    base = connect()
    for statement in sql:
        base.execute(statement)
    mutate(rng, base, tables, 25)
    origin, target, third = clone(base), clone(base), clone(base)
    steps = [captured(rng, origin, tables, rng.randrange(1, 25)) for _ in range(3)]
    concat = transforms(origin, *(changeset for changeset, _ in steps))
    transforms(origin, *(patchset for _, patchset in steps))
    inversion(origin, concat)
    inversion(origin, steps[0][0])
    # The origin's changes meet those of the target, and then of another.
    local, _ = captured(rng, target, tables, rng.randrange(20))
    for number, table in enumerate(tables):
        for trigger in rng.sample(TRIGGERS, rng.randrange(3)):
            target.execute(trigger.format(quoted(table), f"trigger{number}"))
    if rng.random() < 0.3:
        target.execute(f"ALTER TABLE {quoted(rng.choice(tables))} ADD COLUMN extra DEFAULT 1")
    blob = application(rng, seed, target, tables, concat, True)
    application(rng, seed, target, tables, steps[0][0], False)
    application(rng, seed, target, tables, steps[0][1], False)
    application(rng, seed, origin, tables, apsw.Changeset.invert(concat), True)
    application(rng, seed, base, tables, concat, False)
    others, _ = captured(rng, third, tables, rng.randrange(20))
    second = application(rng, seed, target, tables, others, True)
    rebasing(origin, local, [b for b in (blob, second) if b is not None])
    for changeset in (concat, steps[0][1]) if concat and steps[0][1] else ():
        try:
            damaged(rng, origin, base, tables, changeset, seed)
        except UnicodeDecodeError:
            pass  # apsw gives no text that is not UTF-8


def main(first, last):
    failed = 0
    for seed in range(first, last):
        try:
            run(seed)
        except AssertionError as difference:
            failed += 1
            print(f"seed {seed}: {difference}")
            if failed >= 5:
                break
    print(json.dumps(seen))
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]), int(sys.argv[2])) else 0)
