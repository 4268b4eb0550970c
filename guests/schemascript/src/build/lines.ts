/**
 * Where the lines of a bundle come from, small enough to be part of every guest, so that a stack shows places in the program's own
 * files. A place is a line: bundles are not minified, a statement has a line of its own.
 */

import { SourceMap, type SourceMapPayload, type SourceMapping } from "node:module";

/** `{"files": [name], "lines": [file, line, ...]}`: a pair for each line of the bundle, file -1 where there is none. Read by `runtime/prelude/errors.ts`. */
export function lineTable(sourceMap: string): string {
  const payload = JSON.parse(sourceMap) as SourceMapPayload;
  const map = new SourceMap(payload);
  const numbers = new Map(payload.sources.map((name, number) => [name, number]));
  const lines = payload.mappings.split(";").flatMap((segments, line) => {
    const entry = (segments === "" ? {} : map.findEntry(line, Number.MAX_SAFE_INTEGER)) as Partial<SourceMapping>;
    return entry.originalLine === undefined ? [-1, 0] : [numbers.get(entry.originalSource!) ?? -1, entry.originalLine + 1];
  });
  return JSON.stringify({ files: payload.sources.map(shortName), lines });
}

/** Packages by their names, the program's files as they lie to each other. */
function shortName(path: string): string {
  return path.replace(/^.*node_modules\//, "node_modules/").replace(/^(?:\.\.\/)+/, "");
}
