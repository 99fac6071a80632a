// Workers KV.

import { Code, Limit } from "../codes.mjs";
import { OperationError, asciiJSON, hasControl } from "../encoding.mjs";

/**
 * @param {import("./index.mjs").Invocation} i
 * @param {string} [key]
 */
function namespace({ request, lines }, key) {
  const kv = request.env[lines[0]];
  if (typeof kv?.getWithMetadata !== "function") throw new OperationError(Code.NotFound, "no namespace " + lines[0]);
  if (key !== undefined) {
    if (!key || hasControl(key)) throw new OperationError(Code.Invalid, "key");
    if (new TextEncoder().encode(key).length > Limit.KVKey) throw new OperationError(Code.Limit, "key");
  }
  return kv;
}

/**
 * lines: namespace, key. n = 0 absent.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function kvGet(i) {
  const { value, metadata } = await namespace(i, i.lines[1]).getWithMetadata(i.lines[1], "arrayBuffer");
  if (value === null) return { n: 0 };
  return { n: 1, body: new Uint8Array(value), meta: metadata === null ? "" : asciiJSON(JSON.stringify(metadata)) };
}

/**
 * lines: namespace, key, TTL in seconds or 0, metadata JSON or empty.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function kvPut(i) {
  const [, key, ttl, metadata] = i.lines;
  const kv = namespace(i, key);
  const seconds = Number(ttl);
  if (!Number.isInteger(seconds) || seconds < 0 || (seconds > 0 && seconds < Limit.KVTTLSeconds)) {
    throw new OperationError(Code.Invalid, "ttl");
  }
  if (i.body.length > Limit.KVValue) throw new OperationError(Code.Limit, "value");
  /** @type {any} */
  const options = {};
  if (seconds) options.expirationTtl = seconds;
  if (metadata) {
    try {
      options.metadata = JSON.parse(metadata);
    } catch {
      throw new OperationError(Code.Invalid, "metadata");
    }
  }
  await kv.put(key, i.body, options);
}

/**
 * lines: namespace, key.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function kvDelete(i) {
  await namespace(i, i.lines[1]).delete(i.lines[1]);
}

/**
 * lines: namespace, prefix, limit, cursor or empty.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function kvList(i) {
  const [, prefix, limit, cursor] = i.lines;
  const n = Number(limit);
  if (!Number.isInteger(n) || n < 1 || n > Limit.ListEntries) throw new OperationError(Code.Invalid, "limit");
  const page = await namespace(i).list({ prefix, limit: n, cursor: cursor || undefined });
  let meta = page.list_complete ? "" : page.cursor;
  for (const key of page.keys) {
    meta += `\n${key.name}\t${key.expiration ?? 0}\t${key.metadata ? asciiJSON(JSON.stringify(key.metadata)) : ""}`;
  }
  return { meta, n: page.keys.length };
}
