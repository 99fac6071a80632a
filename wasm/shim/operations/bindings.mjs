// The optional bindings: a rate limiter, Analytics Engine.

import { Code } from "../codes.mjs";
import { OperationError } from "../encoding.mjs";

/**
 * lines: binding, key. n = 1 permitted.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function rateLimit({ request, lines: [binding, key] }) {
  const limiter = request.env[binding];
  if (typeof limiter?.limit !== "function") throw new OperationError(Code.NotFound, "no rate limiter " + binding);
  const { success } = await limiter.limit({ key });
  return { n: success ? 1 : 0 };
}

/**
 * lines: binding, index, then a line per blob; body: doubles.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function dataPoint({ request, lines: [binding, index, ...blobs], body }) {
  const dataset = request.env[binding];
  if (typeof dataset?.writeDataPoint !== "function") throw new OperationError(Code.NotFound, "no dataset " + binding);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const doubles = [];
  for (let at = 0; at + 8 <= body.length; at += 8) doubles.push(view.getFloat64(at, true));
  dataset.writeDataPoint({ indexes: [index], blobs, doubles });
}
