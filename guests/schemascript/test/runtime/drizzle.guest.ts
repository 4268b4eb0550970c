import { database } from "schemascript/runtime";
import { report } from "./report.js";
import * as schema from "./schema.js";

await report(database({ schema }));
