/**
 * What Drizzle can do, step by step. The same steps run inside the database and in Node on better-sqlite3 (`drizzle.guest.ts`,
 * `drizzle.node.ts`); what they give must be the same. `await` makes no difference to a synchronous driver.
 */

import { and, asc, avg, between, count, countDistinct, desc, eq, exists, gt, inArray, isNull, like, max, min, not, notInArray, or, SQL, sql, sum } from "drizzle-orm";
import { alias, except, intersect, union, unionAll } from "drizzle-orm/sqlite-core";
import { kinds, popular, posts, statements, tags, users } from "./schema.js";
import type * as schema from "./schema.js";
import type { Database } from "../../src/runtime/index.js";

type Db = Database<typeof schema>;

const filled = {
  number: 2 ** 53 - 1,
  boolean: false,
  seconds: new Date("2026-11-29T20:00:00Z"),
  milliseconds: new Date("2026-11-29T20:00:00.123Z"),
  text: "Zoë 😀 \u0000 'quoted' \"too\"",
  choice: "green" as const,
  json: { list: [1, null, "x"], deep: { yes: true } },
  buffer: Buffer.from([0, 255, 1, 254]),
  bigint: 2n ** 80n,
  blobJson: [{ a: 1 }, "ü"],
  real: 0.1,
  numeric: "12.50",
  numericNumber: 7,
  numericBigint: 9007199254740993n,
  upper: "shout",
};

/** What is thrown, with its cause: the messages must be the same, too. */
async function failure(run: () => unknown): Promise<string> {
  try {
    await run();
    return "no error";
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error ? cause.message : message;
  }
}

export const steps: Record<string, (db: Db) => unknown> = {
  setup: async (db) => {
    for (const statement of statements) await db.run(sql.raw(statement));
  },
  "insert every kind": (db) => db.insert(kinds).values(filled).returning(),
  "insert nulls": (db) => db.insert(kinds).values({ number: null, json: null, buffer: null, made: false }).returning(),
  "select every kind": (db) => db.select().from(kinds),
  "what is stored": (db) =>
    db.select({ types: sql<string>`typeof(number) || typeof(boolean) || typeof(seconds) || typeof(text) || typeof(json) || typeof(buffer) || typeof(bigint) || typeof(blobJson) || typeof(real) || typeof(numeric) || typeof(upper)`, hex: sql<string>`hex(buffer)` }).from(kinds).where(eq(kinds.id, 1)),
  "find by each kind": async (db) => {
    const by = [eq(kinds.boolean, false), eq(kinds.seconds, filled.seconds), eq(kinds.milliseconds, filled.milliseconds), eq(kinds.buffer, filled.buffer), eq(kinds.bigint, filled.bigint), eq(kinds.real, 0.1), eq(kinds.text, filled.text), eq(kinds.upper, "shout"), eq(kinds.json, filled.json)];
    const found = [];
    for (const condition of by) found.push(await db.select({ id: kinds.id }).from(kinds).where(condition));
    return found;
  },
  "update every kind": (db) => db.update(kinds).set({ boolean: true, json: [], buffer: Buffer.alloc(0), seconds: new Date(0) }).where(eq(kinds.id, 2)).returning({ id: kinds.id, boolean: kinds.boolean, json: kinds.json, buffer: kinds.buffer, seconds: kinds.seconds }),
  "insert many": (db) => db.insert(users).values([{ name: "ann", email: "ann@x" }, { name: "bob", invitedBy: 1 }, { name: "cy", invitedBy: 1 }, { name: "dee" }]).returning({ id: users.id }),
  "insert without returning": async (db) => {
    await db.insert(posts).values([{ authorId: 1, title: "one", score: 0.5 }, { authorId: 1, title: "two", score: 2 }, { authorId: 2, title: "three", score: 3.25 }]);
    await db.insert(tags).values([{ postId: 1, tag: "a" }, { postId: 1, tag: "b" }, { postId: 3, tag: "a" }]);
  },
  "get a row": (db) => db.select().from(users).where(eq(users.id, 2)).get(),
  "get no row": (db) => db.select().from(users).where(eq(users.id, 99)).get(),
  "get some columns": (db) => db.select({ name: users.name, user: { id: users.id } }).from(users).where(eq(users.id, 3)).get(),
  values: (db) => db.select().from(users).orderBy(users.id).values(),
  "no rows": (db) => db.select().from(users).where(sql`0`).all(),
  conditions: (db) => db.select({ name: users.name }).from(users).where(or(and(like(users.name, "%n%"), not(isNull(users.email))), inArray(users.name, ["bob", "dee"]), between(users.id, 10, 20))).orderBy(desc(users.name)),
  "limit, offset": (db) => db.select({ name: users.name }).from(users).orderBy(asc(users.name)).limit(2).offset(1),
  distinct: (db) => db.selectDistinct({ tag: tags.tag }).from(tags).orderBy(tags.tag),
  "inner join": (db) => db.select().from(posts).innerJoin(users, eq(posts.authorId, users.id)).orderBy(posts.id),
  "left join": (db) => db.select().from(users).leftJoin(posts, eq(posts.authorId, users.id)).orderBy(users.id, posts.id),
  "self join": (db) => {
    const inviter = alias(users, "inviter");
    return db.select({ name: users.name, inviter: inviter.name }).from(users).leftJoin(inviter, eq(users.invitedBy, inviter.id)).orderBy(users.id);
  },
  "cross join": (db) => db.select({ n: count() }).from(users).crossJoin(posts),
  aggregates: (db) => db.select({ n: count(), tags: countDistinct(tags.tag), sum: sum(posts.score), avg: avg(posts.score), min: min(posts.score), max: max(posts.title) }).from(posts).leftJoin(tags, eq(tags.postId, posts.id)),
  "group, having": (db) => db.select({ author: posts.authorId, n: count() }).from(posts).groupBy(posts.authorId).having(({ n }) => gt(n, 1)),
  $count: async (db) => [await db.$count(posts), await db.$count(posts, gt(posts.score, 1))],
  subquery: (db) => {
    const best = db.select({ authorId: posts.authorId, top: max(posts.score).as("top") }).from(posts).groupBy(posts.authorId).as("best");
    return db.select({ name: users.name, top: best.top }).from(users).innerJoin(best, eq(best.authorId, users.id)).orderBy(users.id);
  },
  exists: (db) => db.select({ name: users.name }).from(users).where(exists(db.select().from(posts).where(eq(posts.authorId, users.id)))).orderBy(users.name),
  "in a subquery": (db) => db.select({ name: users.name }).from(users).where(notInArray(users.id, db.select({ id: posts.authorId }).from(posts))).orderBy(users.id),
  with: (db) => {
    const good = db.$with("good").as(db.select().from(posts).where(gt(posts.score, 1)));
    return db.with(good).select({ title: good.title }).from(good).orderBy(good.title);
  },
  "set operations": async (db) => [
    await union(db.select({ name: users.name }).from(users), db.select({ name: posts.title }).from(posts)).orderBy(sql`1`),
    await unionAll(db.select({ id: users.id }).from(users), db.select({ id: posts.id }).from(posts)).orderBy(sql`1`),
    await intersect(db.select({ id: users.id }).from(users), db.select({ id: posts.authorId }).from(posts)).orderBy(sql`1`),
    await except(db.select({ id: users.id }).from(users), db.select({ id: posts.authorId }).from(posts)).orderBy(sql`1`),
  ],
  view: (db) => db.select().from(popular).orderBy(popular.id),
  "relations, many": (db) => db.query.users.findMany({ with: { posts: { with: { tags: true }, orderBy: (post) => [desc(post.id)] }, inviter: { columns: { name: true } } }, orderBy: (user) => [user.id] }),
  "relations, first": (db) => db.query.posts.findFirst({ where: eq(posts.title, "three"), columns: { id: true }, with: { author: true }, extras: { loud: sql<string>`upper(${posts.title})`.as("loud") } }),
  "relations, none": (db) => db.query.posts.findFirst({ where: eq(posts.id, 99) }),
  "prepared, many times": async (db) => {
    const byName = db.select().from(users).where(eq(users.name, sql.placeholder("name"))).prepare();
    return [await byName.get({ name: "ann" }), await byName.all({ name: "bob" }), await byName.get({ name: "nobody" }), await byName.values({ name: "cy" })];
  },
  "prepared insert": async (db) => {
    const insert = db.insert(users).values({ name: sql.placeholder("name"), email: sql.placeholder("email") }).returning().prepare();
    return [await insert.get({ name: "eve", email: null }), await insert.all({ name: "fay", email: "f@x" })];
  },
  upsert: async (db) => {
    await db.insert(users).values({ id: 1, name: "ann" }).onConflictDoUpdate({ target: users.id, set: { email: sql`excluded.name || '@new'` } });
    await db.insert(users).values({ name: "bob" }).onConflictDoNothing();
    return db.select().from(users).orderBy(users.id);
  },
  "insert from select": (db) => db.insert(tags).select(db.select({ postId: posts.id, tag: sql<string>`'all'`.as("tag") }).from(posts)).returning(),
  "update from": (db) => db.update(posts).set({ score: sql`${posts.score} + 1` }).where(eq(posts.authorId, 1)).returning(),
  "delete, returning": (db) => db.delete(tags).where(eq(tags.tag, "b")).returning(),
  "raw all": (db) => db.select({ one: sql<number>`1`, text: sql<string>`'t'`, nothing: sql<null>`NULL` }).from(sql`(SELECT 1)`),
  transaction: async (db) => {
    const given = await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "gus" });
      return tx.select({ n: count() }).from(users).get();
    });
    return [given, await db.$count(users)];
  },
  "transaction undone": async (db) => [
    await failure(() => db.transaction(async (tx) => {
      await tx.delete(users).where(eq(users.name, "gus"));
      throw new Error("undo");
    })),
    await db.$count(users),
  ],
  "nested transactions": async (db) => {
    await db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "hal" });
      await failure(() => tx.transaction(async (inner) => {
        await inner.insert(users).values({ name: "ida" });
        inner.rollback();
      }));
      await tx.transaction(async (inner) => {
        await inner.insert(users).values({ name: "jo" });
        await inner.transaction((deepest) => deepest.insert(users).values({ name: "kay" }));
      });
    }, { behavior: "immediate" });
    return db.select({ name: users.name }).from(users).where(gt(users.id, 7)).orderBy(users.id);
  },
  "a constraint": (db) => failure(() => db.insert(users).values({ name: "ann" })),
  "a constraint inside": async (db) => [
    await failure(() => db.transaction(async (tx) => {
      await tx.insert(users).values({ name: "lou" });
      await tx.insert(users).values({ name: "ann" });
    })),
    await db.$count(users, eq(users.name, "lou")),
  ],
  "not null": (db) => failure(() => db.insert(users).values({ name: sql`NULL` })),
  "no such table": (db) => failure(() => db.run(sql`SELECT * FROM nowhere`)),
  "sql in all places": (db) => db.select({ sum: sql<number>`${1} + ${2}`, text: sql<string>`${"it's"} || ${"?"}`, in: sql<number>`${3} IN ${[1, 2, 3]}`, raw: sql.raw("'raw'") as never, name: sql`${sql.identifier("name")}` }).from(users).where(eq(users.id, 1)),
  "parts of SQL": () => {
    const parts = [sql`a ${users} b ${users.id} ${1}`, sql``, sql`only`, sql`${1}`, sql.raw("x"), sql.join([sql`a`, sql`b`], sql`, `)];
    return parts.map((part) => [part instanceof SQL, Object.keys(part), part.queryChunks.map((chunk) => (chunk === users ? "users" : chunk === users.id ? "id" : JSON.stringify(chunk))), (part as unknown as { usedTables: string[] }).usedTables, part.getSQL() === part]);
  },
  "SQL as text": (db) => {
    const quoted = alias(users, 'a"b');
    return [
      db.select().from(users).where(eq(users.id, 5)).toSQL(),
      db.select().from(quoted).where(inArray(quoted.name, ["x", "it's"])).toSQL(),
      db.select({ id: users.id, deep: { id: posts.id, n: count() } }).from(users).leftJoin(posts, eq(posts.authorId, users.id)).toSQL(),
      db.select({ text: sql`${1} ${"it's"} ${null} ${true} ${{ a: 1 }} ${[1, "b"]}`.inlineParams() }).from(users).toSQL(),
      db.select({ n: sql`${db.select({ n: count() }).from(posts)}`, none: sql`${undefined} ${[]}` }).from(users).toSQL(),
      db.select().from(users).where(and(eq(users.name, sql.placeholder("name")), eq(users.email, sql`upper(${"x"})`))).toSQL(),
      db.select({ id: users.id }).from(users).where(sql`${users.name} = ${"it's"} or ${users.id} in ${[1, 2]} or ${null} or ${{ a: 1 }}`.inlineParams()).toSQL(),
      db.update(users).set({ name: "x" }).where(eq(users.id, 1)).returning().toSQL(),
    ];
  },
  "a column of no table": (db) => failure(() => db.select({ id: posts.id }).from(users).all()),
  "an encoder that throws": async (db) => (await failure(() => db.select().from(kinds).where(eq(kinds.seconds, "no date" as never)).all())) !== "no error",
  "joins without rows": (db) => db.select({ user: users, post: posts, tag: { tag: tags.tag } }).from(users).leftJoin(posts, eq(posts.authorId, users.id)).leftJoin(tags, eq(tags.postId, posts.id)).orderBy(users.id, posts.id, tags.tag),
  "many parameters": (db) => db.select({ n: count() }).from(users).where(inArray(users.id, Array.from({ length: 900 }, (_, i) => i))),
  "long texts": async (db) => {
    const long = "ä".repeat(100_000);
    return [(await db.select({ long: sql<string>`${long}` }).from(users).limit(1))[0]!.long === long];
  },
};
