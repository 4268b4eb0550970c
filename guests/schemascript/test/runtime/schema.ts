/** Every kind of column that Drizzle has for SQLite, and relations. */

import { relations, sql } from "drizzle-orm";
import { blob, customType, index, integer, numeric, primaryKey, real, sqliteTable, sqliteView, text, unique } from "drizzle-orm/sqlite-core";

const upper = customType<{ data: string; driverData: string }>({
  dataType: () => "text",
  toDriver: (value) => value.toUpperCase(),
  fromDriver: (value) => `${value}!`,
});

export const kinds = sqliteTable("kinds", {
  id: integer().primaryKey({ autoIncrement: true }),
  number: integer({ mode: "number" }),
  boolean: integer({ mode: "boolean" }),
  seconds: integer({ mode: "timestamp" }),
  milliseconds: integer({ mode: "timestamp_ms" }),
  text: text(),
  choice: text({ enum: ["red", "green"] }),
  json: text({ mode: "json" }).$type<unknown>(),
  buffer: blob({ mode: "buffer" }),
  bigint: blob({ mode: "bigint" }),
  blobJson: blob({ mode: "json" }).$type<unknown>(),
  real: real(),
  numeric: numeric(),
  numericNumber: numeric({ mode: "number" }),
  numericBigint: numeric({ mode: "bigint" }),
  upper: upper(),
  made: integer({ mode: "boolean" }).default(true),
  computed: text().$defaultFn(() => "computed"),
});

export const users = sqliteTable("users", {
  id: integer().primaryKey(),
  name: text().notNull().unique(),
  email: text(),
  invitedBy: integer("invited_by"),
});

export const posts = sqliteTable("posts", {
  id: integer().primaryKey(),
  authorId: integer("author_id").notNull().references(() => users.id, { onDelete: "cascade" }),
  title: text().notNull(),
  score: real().notNull().default(0),
}, (table) => [index("posts_author").on(table.authorId), unique().on(table.title)]);

export const tags = sqliteTable("tags", {
  postId: integer("post_id").notNull().references(() => posts.id),
  tag: text().notNull(),
}, (table) => [primaryKey({ columns: [table.postId, table.tag] })]);

export const popular = sqliteView("popular").as((qb) => qb.select().from(posts).where(sql`${posts.score} > 1`));

export const userRelations = relations(users, ({ one, many }) => ({
  posts: many(posts),
  inviter: one(users, { fields: [users.invitedBy], references: [users.id] }),
}));
export const postRelations = relations(posts, ({ one, many }) => ({
  author: one(users, { fields: [posts.authorId], references: [users.id] }),
  tags: many(tags),
}));
export const tagRelations = relations(tags, ({ one }) => ({ post: one(posts, { fields: [tags.postId], references: [posts.id] }) }));

export const statements = [
  `CREATE TABLE kinds(id INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER, boolean INTEGER, seconds INTEGER, milliseconds INTEGER, text TEXT, choice TEXT, json TEXT,
     buffer BLOB, bigint BLOB, blobJson BLOB, real REAL, numeric NUMERIC, numericNumber NUMERIC, numericBigint NUMERIC, upper TEXT, made INTEGER DEFAULT 1, computed TEXT)`,
  `CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, email TEXT, invited_by INTEGER)`,
  `CREATE TABLE posts(id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE, title TEXT NOT NULL UNIQUE, score REAL NOT NULL DEFAULT 0)`,
  `CREATE INDEX posts_author ON posts(author_id)`,
  `CREATE TABLE tags(post_id INTEGER NOT NULL REFERENCES posts(id), tag TEXT NOT NULL, PRIMARY KEY(post_id, tag))`,
  `CREATE VIEW popular AS SELECT * FROM posts WHERE score > 1`,
];
