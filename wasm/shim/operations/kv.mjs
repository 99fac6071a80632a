import { clean, encode, lines } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { MAX_KV_KEY, MAX_KV_METADATA, MAX_KV_VALUE, MAX_META, MAX_STORAGE_LIST, MIN_KV_TTL } from "../limits.mjs";

/** @import { Env } from "../owner.mjs" */
/** @import { Operation, Reply } from "./table.mjs" */

/**
 * Metadata is kept as the text of its JSON with all but ASCII escaped: workerd warns about each operation whose metadata is not
 * ASCII.
 *
 * @param {string} json
 */
function escapeMetadata(json) {
  let value;
  try {
    value = JSON.stringify(JSON.parse(json));
  } catch {
    throw new HostError("invalid", "metadata");
  }
  const text = value.replace(/[\u0080-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  if (text.length + 2 > MAX_KV_METADATA) throw new HostError("limit", "metadata above 1024 bytes");
  return text;
}

/** @param {unknown} metadata as the binding answers it */
const metadataText = (metadata) => (typeof metadata === "string" ? metadata : "");

/** @param {Env} env @param {string} name @returns {KVNamespace} */
function namespaceOf(env, name) {
  const namespace = env[name];
  if (typeof namespace?.getWithMetadata !== "function") throw new HostError("notfound", "no such namespace");
  return namespace;
}

/** @param {string} key */
function checkKey(key) {
  if (key === "" || key === "." || key === ".." || !clean(key)) throw new HostError("invalid", "key");
  if (encode(key).length > MAX_KV_KEY) throw new HostError("limit", "key above 512 bytes");
}

/**
 * Answers the value of a key. Meta: namespace, key.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = 1, body = value, meta = metadata; or n = 0
 */
export async function kvGet({ owner, meta }) {
  const [name, key] = lines(meta, 1);
  const namespace = namespaceOf(owner.env, name);
  checkKey(key);
  const { value, metadata } = await namespace.getWithMetadata(key, "arrayBuffer");
  return value === null ? { n: 0 } : { n: 1, body: new Uint8Array(value), meta: metadataText(metadata) };
}

/**
 * Writes a value. Meta: namespace, key, TTL in seconds or 0, metadata JSON or empty; body: the value.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>}
 */
export async function kvPut({ owner, meta, body }) {
  const [name, key, ttl, metadata] = lines(meta, 3);
  const namespace = namespaceOf(owner.env, name);
  checkKey(key);
  const seconds = /^\d{1,10}$/.test(ttl) ? Number(ttl) : -1;
  if (seconds < 0 || (seconds > 0 && seconds < MIN_KV_TTL)) throw new HostError("invalid", "ttl");
  if (body.length > MAX_KV_VALUE) throw new HostError("limit", "value above 25 MiB");
  /** @type {KVNamespacePutOptions} */
  const options = {};
  if (seconds > 0) options.expirationTtl = seconds;
  if (metadata !== "") options.metadata = escapeMetadata(metadata);
  await namespace.put(key, body, options);
  return {};
}

/**
 * Removes a key; an absent one is fine. Meta: namespace, key.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>}
 */
export async function kvDelete({ owner, meta }) {
  const [name, key] = lines(meta, 1);
  const namespace = namespaceOf(owner.env, name);
  checkKey(key);
  await namespace.delete(key);
  return {};
}

/**
 * Answers a page of keys in byte order. Meta: namespace, prefix, limit (1 … 1000), cursor or empty. A page whose reply would pass
 * the limit of a meta is asked for again with fewer keys.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = keys; meta = next cursor, then a line per key: key TAB expiration TAB metadata
 */
export async function kvList({ owner, meta }) {
  const [name, prefix, count, cursor] = lines(meta, 3);
  const namespace = namespaceOf(owner.env, name);
  let limit = /^\d{1,9}$/.test(count) ? Number(count) : 0;
  if (limit < 1 || !clean(prefix) || !clean(cursor)) throw new HostError("invalid", "prefix, limit or cursor");
  if (limit > MAX_STORAGE_LIST) throw new HostError("limit", "limit above 1000");
  for (;;) {
    const page = await namespace.list({ prefix, limit, cursor: cursor === "" ? null : cursor });
    let out = page.list_complete ? "" : page.cursor;
    for (const { name: key, expiration, metadata } of page.keys) {
      out += `\n${key}\t${expiration ?? 0}\t${metadataText(metadata)}`;
    }
    if (limit === 1 || encode(out).length <= MAX_META) return { n: page.keys.length, meta: out };
    limit = Math.ceil(limit / 4);
  }
}
