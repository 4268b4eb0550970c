/** What a program inside the database imports: `schemascript/runtime`. */

export { type Database, type DatabaseConfig, database } from "./drizzle.js";
export { type Answer, type Method, query, request, setHostHandler, SqliteError } from "./host.js";
export { type Journal, migrate, type Migrations } from "./migrate.js";
export { type Handler, type Response, serve } from "./serve.js";
