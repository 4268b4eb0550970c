/**
 * What a program finds in the sandbox beside the language. Evaluated when a guest is built, so it must not keep anything that
 * differs from run to run: times, random numbers, arguments.
 */

import "./bigint.js";
import "./text.js";
import "./buffer.js";
import "./console.js";
import "./errors.js";
import "./timers.js";
import "./clone.js";
import "./crypto.js";
import "./process.js";
import "./host.js";
