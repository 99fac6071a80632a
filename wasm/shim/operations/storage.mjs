// The durable storage of the object whose request it is.

import { Code, Limit } from "../codes.mjs";
import { EMPTY, OperationError, frames, hasControl, joinFrames } from "../encoding.mjs";

/** @param {import("./index.mjs").Invocation} i */
function storage({ request }) {
  if (!request.actor) throw new OperationError(Code.Invalid, "not a request of an object");
  return request.actor.storage;
}

/** @param {string} key */
function check(key) {
  if (!key || hasControl(key)) throw new OperationError(Code.Invalid, "key");
  if (new TextEncoder().encode(key).length > Limit.StorageKey) throw new OperationError(Code.Limit, "key");
  return key;
}

/** @param {any} value */
const bytes = (value) => (value instanceof Uint8Array ? value : new Uint8Array(value));

/**
 * lines: key. n = 0 absent.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function storageGet(i) {
  const value = await storage(i).get(check(i.lines[0]));
  return value === undefined ? { n: 0 } : { n: 1, body: bytes(value) };
}

/**
 * lines: key; body: value. The output gate holds the response until it is durable.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function storagePut(i) {
  const s = storage(i);
  const key = check(i.lines[0]);
  if (i.body.length > Limit.StorageValue) throw new OperationError(Code.Limit, "value");
  await s.put(key, i.body);
}

/**
 * lines: key. n = 1 if it was there.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function storageDelete(i) {
  return { n: (await storage(i).delete(check(i.lines[0]))) ? 1 : 0 };
}

/**
 * lines: prefix, start, end, limit, "reverse" or empty.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function storageList(i) {
  const [prefix, start, end, limit, order] = i.lines;
  const n = Number(limit);
  if (!Number.isInteger(n) || n < 1 || n > Limit.ListEntries) throw new OperationError(Code.Invalid, "limit");
  /** @type {any} */
  const options = { limit: n };
  if (prefix) options.prefix = prefix;
  if (start) options.start = start;
  if (end) options.end = end;
  if (order === "reverse") options.reverse = true;
  /** @type {Map<string, any>} */
  const entries = await storage(i).list(options);
  const body = joinFrames([...entries.values()].map(bytes));
  return { meta: [...entries.keys()].join("\n"), body, n: entries.size };
}

/**
 * lines: steps; body: a frame per expect and put. One synchronous transaction: nothing can come between.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function storageTransact(i) {
  const s = storage(i);
  const steps = i.lines.map((line) => {
    const space = line.indexOf(" ");
    return { name: line.slice(0, space), key: check(line.slice(space + 1)), value: EMPTY };
  });
  const withValue = steps.filter(({ name }) => name === "expect" || name === "put");
  frames(i.body, withValue.length).forEach((value, at) => (withValue[at].value = value.slice()));
  for (const { name, value } of steps) {
    if (!["expect", "absent", "put", "delete"].includes(name)) throw new OperationError(Code.Invalid, "step");
    if (name === "put" && value.length > Limit.StorageValue) throw new OperationError(Code.Limit, "value");
  }
  const done = s.transactionSync(() => {
    for (const { name, key, value } of steps) {
      if (name !== "expect" && name !== "absent") continue;
      const have = s.kv.get(key);
      if (name === "absent" ? have !== undefined : have === undefined || !equal(bytes(have), value)) return false;
    }
    for (const { name, key, value } of steps) {
      if (name === "put") s.kv.put(key, value);
      else if (name === "delete") s.kv.delete(key);
    }
    return true;
  });
  return { n: done ? 1 : 0 };
}

/**
 * @param {Uint8Array} a
 * @param {Uint8Array} b
 */
function equal(a, b) {
  return a.length === b.length && a.every((v, at) => v === b[at]);
}
