import { serve, query } from "schemascript/runtime";
serve((r) => query("select ?", [r], "get"));
