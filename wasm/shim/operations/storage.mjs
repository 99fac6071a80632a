import { clean, encode, equal, frames, join, lines, NOTHING } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { MAX_META, MAX_STORAGE_KEY, MAX_STORAGE_LIST, MAX_STORAGE_VALUE } from "../limits.mjs";

/** @import { Owner } from "../owner.mjs" */
/** @import { Operation, Reply } from "./table.mjs" */

/** The storage of the object whose request this is. @param {Owner} owner */
function storageOf(owner) {
  if (!owner.actor) throw new HostError("invalid", "not a request of an object");
  return owner.actor.storage;
}

/** @param {string} key */
function checkKey(key) {
  if (key === "" || !clean(key)) throw new HostError("invalid", "key");
  if (encode(key).length > MAX_STORAGE_KEY) throw new HostError("limit", "key above 2048 bytes");
}

/** @param {Uint8Array} value */
function checkValue(value) {
  if (value.length > MAX_STORAGE_VALUE) throw new HostError("limit", "value above 2 MiB");
}

/**
 * Answers the value of a key. Meta: key.
 *
 * @param {Operation} operation
 * @returns {Reply} n = 1, body = value; or n = 0
 */
export function storageGet({ owner, meta }) {
  const storage = storageOf(owner);
  checkKey(meta);
  const value = storage.kv.get(meta);
  return value === undefined ? { n: 0 } : { n: 1, body: /** @type {Uint8Array<ArrayBuffer>} */ (value) };
}

/**
 * Writes a value. Meta: key; body: the value.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} once it is durable
 */
export async function storagePut({ owner, meta, body }) {
  const storage = storageOf(owner);
  checkKey(meta);
  checkValue(body);
  await written(storage, () => storage.kv.put(meta, body));
  return {};
}

/**
 * Removes a key. Meta: key.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = 1 if it was there, once it is durable
 */
export async function storageDelete({ owner, meta }) {
  const storage = storageOf(owner);
  checkKey(meta);
  const there = storage.kv.delete(meta);
  await storage.sync();
  return { n: there ? 1 : 0 };
}

/**
 * Answers keys and values in byte order. Meta: prefix, start, end, limit (1 … 1000), "reverse" or empty.
 *
 * @param {Operation} operation
 * @returns {Reply} n = keys; meta = a line per key; body = a frame per value
 */
export function storageList({ owner, meta }) {
  const storage = storageOf(owner);
  const [prefix, start, end, count, order] = lines(meta, 4);
  const limit = /^\d{1,9}$/.test(count) ? Number(count) : 0;
  if (limit < 1 || (order !== "" && order !== "reverse") || !clean(prefix + start + end)) {
    throw new HostError("invalid", "range");
  }
  if (limit > MAX_STORAGE_LIST) throw new HostError("limit", "limit above 1000");
  /** @type {SyncKvListOptions} */
  const options = { limit, reverse: order === "reverse" };
  if (prefix !== "") options.prefix = prefix;
  if (start !== "") options.start = start;
  if (end !== "") options.end = end;
  const keys = [];
  const values = [];
  for (const [key, value] of storage.kv.list(options)) {
    keys.push(key);
    values.push(/** @type {Uint8Array} */ (value));
  }
  const text = keys.join("\n");
  if (encode(text).length > MAX_META) throw new HostError("limit", "keys above 256 KiB");
  return { n: keys.length, meta: text, body: join(values) };
}

/**
 * Does all steps or none. Meta: a line per step: "expect KEY", "absent KEY", "put KEY", "delete KEY"; body: a frame per expect and
 * per put. The steps run in one synchronous transaction: nothing comes between them.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} n = 1 all done; n = 0 an expectation failed; once it is durable
 */
export async function storageTransact({ owner, meta, body }) {
  const storage = storageOf(owner);
  const steps = parseSteps(meta, body);
  const { kv } = storage;
  const transaction = () => {
    for (const { verb, key, value } of steps) {
      const held = /** @type {Uint8Array | undefined} */ (verb === "expect" || verb === "absent" ? kv.get(key) : undefined);
      if (verb === "expect" && (held === undefined || !equal(held, value))) return false;
      if (verb === "absent" && held !== undefined) return false;
    }
    for (const { verb, key, value } of steps) {
      if (verb === "put") kv.put(key, value);
      else if (verb === "delete") kv.delete(key);
    }
    return true;
  };
  const done = await written(storage, () => storage.transactionSync(transaction));
  return { n: done ? 1 : 0 };
}

/**
 * Writes, and answers once it is durable. A storage that is full is told from a broken one.
 *
 * @template T
 * @param {DurableObjectStorage} storage
 * @param {() => T} write
 */
async function written(storage, write) {
  try {
    const answer = write();
    await storage.sync();
    return answer;
  } catch (error) {
    if (String(error).includes("SQLITE_FULL")) throw new HostError("limit", "the storage is full");
    throw error;
  }
}

/**
 * @param {string} meta
 * @param {Uint8Array<ArrayBuffer>} body
 */
function parseSteps(meta, body) {
  const values = frames(body);
  if (!values) throw new HostError("invalid", "frames");
  let used = 0;
  const steps = (meta === "" ? [] : meta.split("\n")).map((line) => {
    const space = line.indexOf(" ");
    const verb = line.slice(0, Math.max(space, 0));
    const key = line.slice(space + 1);
    checkKey(key);
    if (verb === "absent" || verb === "delete") return { verb, key, value: NOTHING };
    if (verb !== "expect" && verb !== "put") throw new HostError("invalid", "step");
    if (used === values.length) throw new HostError("invalid", "a frame is missing");
    const value = values[used++].slice();
    checkValue(value);
    return { verb, key, value };
  });
  if (used < values.length) throw new HostError("invalid", "a frame too many");
  return steps;
}
