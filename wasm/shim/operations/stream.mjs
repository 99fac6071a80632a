import { NOTHING } from "../bytes.mjs";
import { HostError } from "../host_error.mjs";
import { MAX_READ_CHUNK } from "../limits.mjs";

/** @import { Operation, Reply } from "./table.mjs" */

/**
 * Sends a piece of a streamed response; settles when the client's side has taken it.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>}
 */
export async function write({ owner, body }) {
  if (!owner.writer || owner.done) throw new HostError("conflict", "no streamed response");
  if (body.length > 0) await owner.writer.write(body);
  return {};
}

/**
 * Answers the next piece of a stream handle. Meta: handle.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} body, or n = 1 at the end
 */
export async function read({ instance, meta }) {
  const handle = instance.handle(meta);
  if (!handle) throw new HostError("gone", "no such handle");
  if (handle.reading) throw new HostError("conflict", "a read is pending");
  handle.reading = true;
  try {
    handle.reader ??= handle.body.getReader();
    let piece = handle.rest;
    while (piece.length === 0) {
      const { done, value } = await handle.reader.read();
      if (done) {
        instance.close(handle);
        return { n: 1 };
      }
      piece = value;
    }
    handle.rest = piece.length > MAX_READ_CHUNK ? piece.subarray(MAX_READ_CHUNK) : NOTHING;
    return { body: /** @type {Uint8Array<ArrayBuffer>} */ (piece.subarray(0, MAX_READ_CHUNK)) };
  } catch (error) {
    instance.close(handle);
    throw error;
  } finally {
    handle.reading = false;
  }
}

/**
 * Settles when the stream that the owner's response passes on has ended.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>}
 */
export async function ended({ owner }) {
  if (!owner.responded) throw new HostError("conflict", "no response yet");
  await owner.ended;
  return {};
}
