/** Buffer, from https://www.npmjs.com/package/buffer. Drizzle makes its blobs with it. */

import { Buffer } from "buffer/";
import { globals } from "./native.js";

globals({ Buffer });
