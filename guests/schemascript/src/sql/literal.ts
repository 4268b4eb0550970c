/** Values and names as SQL text. */

/** A value that SQLite holds, as SQL. */
export default function literal(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return quoteText(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : value > 0 ? "9e999" : "-9e999";
  if (value instanceof Uint8Array)
    return `x'${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}'`;
  throw new TypeError(`${value} is nothing that SQLite holds`);
}

/** SQL has no way to write a zero byte in a text. */
function quoteText(text: string): string {
  if (text.includes("\0"))
    throw new TypeError(`the text ${JSON.stringify(text)} has a zero byte, which SQL cannot write`);
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name, quoted. */
export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const CONSTANT =
  /^(?:null|true|false|current_(?:time|date|timestamp)|[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|0x[0-9a-f]+|x?'(?:[^']|'')*')$/i;

/** An expression in the form that DEFAULT takes: in parentheses, unless it is a constant. */
export function defaultExpression(expression: string): string {
  const text = expression.trim();
  return CONSTANT.test(text) || isParenthesised(text) ? text : `(${text})`;
}

/** Strings, quoted names, and whatever else, one by one. */
const TOKENS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^]/g;

/** Whether the parenthesis that opens the text is closed by its last character. */
function isParenthesised(text: string): boolean {
  const tokens = text.match(TOKENS) ?? [];
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (depth === 0) return at > 0 && at === tokens.length - 1;
  }
  return false;
}

/** Whether an expression names the column `name`, in quotes as Drizzle writes it, or without. */
export function mentions(expression: string, name: string): boolean {
  const plain = expression.replace(/'(?:[^']|'')*'/g, "''");
  const bare = new RegExp(`(?<![\\w$"])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\w$"])`, "i");
  return plain.toLowerCase().includes(quote(name).toLowerCase()) || bare.test(plain);
}

/** An expression in which the quoted name `from` became `to`. */
export const renameIn = (expression: string, from: string, to: string): string =>
  expression.replace(TOKENS, (token) => (token === quote(from) ? quote(to) : token));
