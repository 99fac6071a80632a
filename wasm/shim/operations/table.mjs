import * as code from "../codes.mjs";
import { background } from "./background.mjs";
import { dataPoint, rateLimit } from "./binding.mjs";
import { digest, generate, sign, verify } from "./crypto.mjs";
import { outboundFetch } from "./fetch.mjs";
import { kvDelete, kvGet, kvList, kvPut } from "./kv.mjs";
import { storageDelete, storageGet, storageList, storagePut, storageTransact } from "./storage.mjs";
import { ended, read, write } from "./stream.mjs";

/** @import { ErrorCode } from "../host_error.mjs" */
/** @import { Instance } from "../instance.mjs" */
/** @import { Owner } from "../owner.mjs" */

/**
 * The asynchronous operations by code. Each runs in its owner's context and answers a reply, or throws a HostError; the fallback is
 * the code of anything else that it throws.
 *
 * @type {Map<number, { run: (operation: Operation) => Reply | Promise<Reply>; fallback: ErrorCode }>}
 */
export const OPERATIONS = new Map([
  [code.OP_WRITE, { run: write, fallback: "gone" }],
  [code.OP_READ, { run: read, fallback: "net" }],
  [code.OP_FETCH, { run: outboundFetch, fallback: "net" }],
  [code.OP_ENDED, { run: ended, fallback: "gone" }],
  [code.OP_KV_GET, { run: kvGet, fallback: "internal" }],
  [code.OP_KV_PUT, { run: kvPut, fallback: "internal" }],
  [code.OP_KV_DELETE, { run: kvDelete, fallback: "internal" }],
  [code.OP_KV_LIST, { run: kvList, fallback: "internal" }],
  [code.OP_STORAGE_GET, { run: storageGet, fallback: "internal" }],
  [code.OP_STORAGE_PUT, { run: storagePut, fallback: "internal" }],
  [code.OP_STORAGE_DELETE, { run: storageDelete, fallback: "internal" }],
  [code.OP_STORAGE_LIST, { run: storageList, fallback: "internal" }],
  [code.OP_STORAGE_TRANSACT, { run: storageTransact, fallback: "internal" }],
  [code.OP_SIGN, { run: sign, fallback: "invalid" }],
  [code.OP_VERIFY, { run: verify, fallback: "invalid" }],
  [code.OP_DIGEST, { run: digest, fallback: "internal" }],
  [code.OP_GENERATE, { run: generate, fallback: "internal" }],
  [code.OP_BACKGROUND, { run: background, fallback: "internal" }],
  [code.OP_RATE_LIMIT, { run: rateLimit, fallback: "internal" }],
  [code.OP_DATA_POINT, { run: dataPoint, fallback: "internal" }],
]);

/**
 * @typedef {object} Operation
 * @property {Instance} instance
 * @property {Owner} owner
 * @property {number} call
 * @property {string} meta
 * @property {Uint8Array<ArrayBuffer>} body
 *
 * @typedef {object} Reply what a call settles with; what is left out is empty or 0
 * @property {string} [meta]
 * @property {Uint8Array<ArrayBuffer>} [body]
 * @property {number} [n]
 * @property {{ body: ReadableStream<Uint8Array>; controller: AbortController | undefined }} [stream] is given a handle, which becomes n
 */
