// Operation codes to what they do. A new operation is a new line here.

import { Op } from "../codes.mjs";
import { background } from "./background.mjs";
import { dataPoint, rateLimit } from "./bindings.mjs";
import { digest, sign, verify } from "./crypto.mjs";
import { fetchOut } from "./fetch.mjs";
import { kvDelete, kvGet, kvList, kvPut } from "./kv.mjs";
import { storageDelete, storageGet, storageList, storagePut, storageTransact } from "./storage.mjs";
import { read, write } from "./streams.mjs";

/**
 * What an operation gets: it runs in the context of the request that owns it.
 * @typedef {object} Invocation
 * @property {import("../instance.mjs").Instance} instance
 * @property {import("../request.mjs").Request} request
 * @property {import("../request.mjs").Call} call
 * @property {string[]} lines of the meta
 * @property {Uint8Array} body
 */

/** @typedef {{ meta?: string, body?: Uint8Array, n?: number } | void} Reply */

/** @type {Map<number, (i: Invocation) => Promise<Reply>>} */
export const OPERATIONS = new Map([
  [Op.Write, write],
  [Op.Read, read],
  [Op.Fetch, fetchOut],
  [Op.KVGet, kvGet],
  [Op.KVPut, kvPut],
  [Op.KVDelete, kvDelete],
  [Op.KVList, kvList],
  [Op.StorageGet, storageGet],
  [Op.StoragePut, storagePut],
  [Op.StorageDelete, storageDelete],
  [Op.StorageList, storageList],
  [Op.StorageTransact, storageTransact],
  [Op.Sign, sign],
  [Op.Verify, verify],
  [Op.Digest, digest],
  [Op.Background, background],
  [Op.RateLimit, rateLimit],
  [Op.DataPoint, dataPoint],
]);
