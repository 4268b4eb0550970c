"""Random schemas and statements for sessions: every way in which a row can change."""

from random import Random

KEYS = [
    ("id INTEGER PRIMARY KEY", ["id"], ""),
    ("id INTEGER PRIMARY KEY AUTOINCREMENT", ["id"], ""),
    ("id INT PRIMARY KEY", ["id"], ""),
    ("id TEXT PRIMARY KEY", ["id"], ""),
    ("id PRIMARY KEY", ["id"], ""),
    ("id REAL PRIMARY KEY", ["id"], ""),
    ("id TEXT NOT NULL DEFAULT 'x' PRIMARY KEY", ["id"], ""),
    ("id TEXT PRIMARY KEY", ["id"], " WITHOUT ROWID"),
    ("id INTEGER PRIMARY KEY", ["id"], " WITHOUT ROWID"),
    ("id INTEGER PRIMARY KEY DESC", ["id"], ""),
    ("k1, k2, PRIMARY KEY(k2, k1)", ["k1", "k2"], ""),
    ("k1 TEXT, k2 INT, PRIMARY KEY(k2, k1)", ["k1", "k2"], " WITHOUT ROWID"),
    ("rowid TEXT PRIMARY KEY", ["rowid"], ""),
    ("n", [], ""),
]
EXTRAS = [
    "a, b", "a INT UNIQUE, b TEXT", "a TEXT, b REAL, UNIQUE(a, b)", "b BLOB, a NOT NULL DEFAULT 1 UNIQUE",
    "a TEXT COLLATE NOCASE UNIQUE, b", 'a, b, "c d" DEFAULT 7', "a NOT NULL ON CONFLICT REPLACE DEFAULT 'd', b UNIQUE ON CONFLICT REPLACE",
    "a INT CHECK(a < 90), b", "a, g AS (a || '-'), b, s TEXT AS (b) STORED UNIQUE", "a, b, u AS (a + 1) UNIQUE",
]
INDEXES = [
    "CREATE UNIQUE INDEX {t}_i ON {t}(b) WHERE a > 2",
    "CREATE UNIQUE INDEX {t}_i ON {t}(a || b, a)",
    "CREATE UNIQUE INDEX {t}_i ON {t}(lower(a) DESC) WHERE b IS NOT NULL -- (comment",
    "CREATE UNIQUE INDEX {t}_i ON {t}(b COLLATE NOCASE, a)",
    "CREATE INDEX {t}_i ON {t}(b, a)",
]
ADDED = ["", "DEFAULT 5", "TEXT DEFAULT 'five'", "REAL DEFAULT 2.5"]
CONFLICTS = ["", "", "OR REPLACE", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"]


class Table:
    def __init__(self, name: str, random: Random):
        self.name = name
        key, self.key, self.suffix = random.choice(KEYS)
        extra = random.choice(EXTRAS)
        self.columns = [*self.key, "a", "b"]
        self.sql = f"CREATE TABLE {name}({key}, {extra}){self.suffix}" if not key.count("PRIMARY KEY(") else (
            f"CREATE TABLE {name}({key.split(', PRIMARY')[0]}, {extra.split(', UNIQUE(')[0]}, PRIMARY{key.split(', PRIMARY')[1]}){self.suffix}"
        )
        self.has_rowid = not self.suffix and "rowid" not in self.columns


class Changes:
    """What a database goes through that keeps its history."""

    def __init__(self, seed: int):
        self.generator = Generator(seed, triggers=False)
        self.random = self.generator.random
        self.dropped = []

    def begin(self) -> list[str]:
        r = self.random
        return [
            f"PRAGMA page_size = {r.choice([512, 512, 1024, 4096])}",
            f"PRAGMA auto_vacuum = {r.choice([0, 0, 1, 2])}",
            f"PRAGMA encoding = '{r.choice(['utf8', 'utf8', 'utf16le', 'utf16be'])}'",
            "CREATE TABLE big(id INTEGER PRIMARY KEY, size, v, w)",
            "CREATE TABLE wide(k TEXT, v, w, PRIMARY KEY(k)) WITHOUT ROWID",
            "CREATE INDEX big_v ON big(v)" if r.random() < 0.3 else "SELECT 1",
            *self.generator.schema(),
        ]

    def statements(self) -> list[str]:
        """Those of one transaction."""
        r, g = self.random, self.generator
        kind = r.random()
        if kind < 0.02:
            return ["VACUUM"]
        if kind < 0.05:
            return [r.choice(["ANALYZE", "PRAGMA incremental_vacuum", "REINDEX"])]
        if kind < 0.07 and len(g.tables) > 1:
            table = g.tables.pop(r.randrange(len(g.tables)))
            self.dropped.append(table)
            return [f"DROP TABLE {table.name}"]
        if kind < 0.09 and self.dropped:
            table = self.dropped.pop()
            g.tables.append(table)
            return [table.sql, g.insert(table)]
        if kind < 0.11:
            return [f"ALTER TABLE {r.choice(g.tables).name} ADD COLUMN new{r.randint(0, 99)} {r.choice(ADDED)}"]
        if kind < 0.13:
            g.late += 1
            g.tables.append(Table(f"late{g.late}", r))
            return [g.tables[-1].sql]
        return [self.statement() for _ in range(r.choice([1, 1, 2, 5]))]

    def statement(self) -> str:
        r, g = self.random, self.generator
        size = r.choice([10, 400, 600, 3000, 20000])
        key = r.randint(0, 60)
        return r.choice([
            g.insert, g.update, g.delete, lambda _: g.insert(_, "OR REPLACE"),
            lambda _: f"INSERT OR REPLACE INTO big VALUES ({key}, {size}, randomblob({size}), {g.value()})",
            lambda _: f"INSERT OR REPLACE INTO wide VALUES ('{key}' || hex(zeroblob({r.choice([0, 5, 200])})), randomblob({size}), {g.value()})",
            # In place: only an overflow page changes.
            lambda _: f"UPDATE big SET v = CAST(substr(v, 1, size - 4) || 'abcd' AS BLOB) WHERE id BETWEEN {key} AND {key + 3}",
            lambda _: f"UPDATE wide SET v = CAST(substr(v, 1, length(v) - 4) || 'abcd' AS BLOB) WHERE k > '{key}'",
            lambda _: f"UPDATE big SET w = w WHERE id = {key}",
            lambda _: f"DELETE FROM big WHERE id > {key} AND id < {key + 9}",
            lambda _: f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT OR REPLACE INTO big SELECT i + {key}, 30, randomblob(30), i FROM n",
            lambda _: f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT OR IGNORE INTO wide SELECT i + {key}, randomblob(30), i FROM n",
        ])(r.choice(g.tables))


class Generator:
    def __init__(self, seed: int, triggers: bool = True):
        self.random = Random(seed)
        self.tables = [Table(f"t{number}", self.random) for number in range(self.random.randint(1, 4))]
        self.with_triggers = triggers
        self.late = 0

    def value(self) -> str:
        r = self.random
        return r.choice([
            "NULL", str(r.randint(0, 6)), str(r.randint(0, 6)), str(r.randint(0, 6)), f"{r.randint(0, 4)}.5", f"'{r.choice('abcAB')}'",
            f"'{r.choice('abcAB')}'", "x'00ff'", "''", str(r.choice([2**62, -1, -5])), f"{r.randint(0, 3)}.0", "'3'", "'" + "long" * 40 + "'",
        ])

    def schema(self) -> list[str]:
        r = self.random
        statements = [table.sql for table in self.tables]
        for table in self.tables:
            if r.random() < 0.4:
                statements.append(r.choice(INDEXES).format(t=table.name))
        if self.with_triggers:
            if r.random() < 0.4:
                parent = r.choice(self.tables)
                if len(parent.key) == 1 and parent.key != ["rowid"]:
                    action = r.choice(["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT"])
                    statements.append(
                        f"CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES {parent.name}({parent.key[0]}) "
                        f"ON DELETE {action} ON UPDATE {r.choice(['CASCADE', action])}, a, b)"
                    )
                    child = Table("child", Random(0))
                    child.key, child.columns, child.has_rowid = ["id"], ["id", "p", "a", "b"], True
                    self.tables.append(child)
            for number in range(r.choice([0, 0, 1, 2])):
                source, target = r.choice(self.tables), r.choice(self.tables)
                event = r.choice(["INSERT", "DELETE", "UPDATE", "UPDATE OF a"])
                body = r.choice([
                    self.insert(target), self.update(target), self.delete(target),
                    f"SELECT RAISE(IGNORE) WHERE {r.randint(0, 3)} = 0",
                ])
                body = body.replace("DEFAULT VALUES", "(a) VALUES (3)")
                statements.append(
                    f"CREATE TRIGGER tr{number} {r.choice(['BEFORE', 'AFTER'])} {event} ON {source.name} BEGIN {body}; END"
                )
        for _ in range(r.randint(0, 15)):
            statements.append(self.insert(r.choice(self.tables), "OR IGNORE"))
        return statements

    def insert(self, table: Table, conflict: str | None = None) -> str:
        r = self.random
        conflict = r.choice(CONFLICTS) if conflict is None else conflict
        columns = [c for c in table.columns if r.random() < 0.9] or ["a"]
        if table.has_rowid and r.random() < 0.15:
            columns.append("_rowid_")
        values = ", ".join(str(r.randint(-1, 6)) if c == "_rowid_" else self.value() for c in columns)
        sql = f"INSERT {conflict} INTO {table.name}({', '.join(columns)}) VALUES ({values})"
        if len(table.key) == 1 and not conflict and r.random() < 0.3 and table.name != "child":
            sql += f" ON CONFLICT DO {r.choice(['NOTHING', f'UPDATE SET a = excluded.b, b = {self.value()}'])}"
        return sql

    def where(self, table: Table) -> str:
        r = self.random
        column = r.choice(table.columns)
        return r.choice(["1", "1", f"{column} = {self.value()}", f"{column} > {self.value()}", f"{column} IS NULL", f"a IN ({self.value()}, {self.value()})"])

    def update(self, table: Table) -> str:
        r = self.random
        columns = r.sample(table.columns, r.randint(1, len(table.columns)))
        if r.random() < 0.6:
            columns = [r.choice(["a", "b"])]
        sets = ", ".join(f"{c} = {r.choice([self.value(), r.choice(table.columns), f'{c} + 1'])}" for c in columns)
        if table.has_rowid and r.random() < 0.08:
            sets = f"rowid = {r.choice(['rowid + 1', 'rowid - 1', '3', '-rowid'])}"
        return f"UPDATE {r.choice(CONFLICTS)} {table.name} SET {sets} WHERE {self.where(table)}"

    def delete(self, table: Table) -> str:
        r = self.random
        return f"DELETE FROM {table.name}" + ("" if r.random() < 0.1 else f" WHERE {self.where(table)}")

    def statement(self) -> str:
        r = self.random
        table = r.choice(self.tables)
        kind = r.choices(
            ["insert", "update", "delete", "copy", "savepoint", "release", "back", "begin", "commit", "rollback", "analyze", "create", "add"],
            [30, 25, 10, 4, 6, 4, 5, 4, 4, 3, 1.0, 0.6, 0.6],
        )[0]
        if kind == "insert":
            return self.insert(table)
        if kind == "update":
            return self.update(table)
        if kind == "delete":
            return self.delete(table)
        if kind == "copy":
            other = r.choice(self.tables)
            return f"INSERT {r.choice(CONFLICTS)} INTO {table.name}(a, b) SELECT b, a FROM {other.name} LIMIT 10"
        if kind == "create":
            self.late += 1
            made = Table(f"late{self.late}", r)
            self.tables.append(made)
            return made.sql
        return {
            "savepoint": "SAVEPOINT s", "release": "RELEASE s", "back": "ROLLBACK TO s", "begin": "BEGIN",
            "commit": "COMMIT", "rollback": "ROLLBACK", "analyze": "ANALYZE",
            "add": f"ALTER TABLE {table.name} ADD COLUMN new{r.randint(0, 99)} {r.choice(ADDED)}",
        }[kind]
