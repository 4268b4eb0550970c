// The examples of the specification, as they stand there.
import { Schema, value } from "../../src/index.js";

const Users = Schema("users", (prop) => ({
  id: prop.integer().identifier(),
  username: prop.text().unique(),
  email: prop.text().optional(),
  createdAt: prop.integer().default(value.now()),
}));

// In the specification each of these is a block of its own, without imports.
import { Table } from "../../src/index.js";

const Posts = Table("posts", (prop) => ({
  id: prop.integer().identifier(),
  authorId: prop.integer().references(() => Users.id),
}));

const Profile = Schema("profiles", (prop) => ({
  role: prop.enum("role", { options: ["admin", "user", "guest"] }).default("guest"),
}));

type MyType = string & { readonly mine: true };

const Custom = Schema("custom", (prop) => ({
  data: prop.custom<MyType>("my_custom_type"),
}));

export { Custom, type MyType, Posts, Profile, Users };
