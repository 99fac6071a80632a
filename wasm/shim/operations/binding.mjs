import { clean, lines } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";

/** @import { Operation, Reply } from "./table.mjs" */

/**
 * Takes one permit of a rate limiter. Meta: binding, key.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = 1 permitted, 0 refused
 */
export async function rateLimit({ owner, meta }) {
  const [binding, key] = lines(meta, 1);
  if (!clean(key)) throw new HostError("invalid", "key");
  const limiter = owner.env[binding];
  if (typeof limiter?.limit !== "function") throw new HostError("notfound", "no such rate limiter");
  const { success } = await limiter.limit({ key });
  return { n: success ? 1 : 0 };
}

/**
 * Writes one data point. Meta: binding, index, a line per blob; body: doubles of 8 bytes, little endian.
 *
 * @param {Operation} operation
 * @returns {Reply}
 */
export function dataPoint({ owner, meta, body }) {
  const [binding, index, rest] = lines(meta, 2);
  if (body.length % 8 !== 0) throw new HostError("invalid", "doubles");
  const dataset = owner.env[binding];
  if (typeof dataset?.writeDataPoint !== "function") throw new HostError("notfound", "no such dataset");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const doubles = [];
  for (let at = 0; at < body.length; at += 8) doubles.push(view.getFloat64(at, true));
  dataset.writeDataPoint({ indexes: [index], blobs: rest === "" ? [] : rest.split("\n"), doubles });
  return {};
}
