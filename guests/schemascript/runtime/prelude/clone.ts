/** structuredClone, from https://www.npmjs.com/package/@ungap/structured-clone. */

import structuredClone from "@ungap/structured-clone";
import { globals } from "./native.js";

globals({ structuredClone: (value: unknown) => structuredClone(value) });
