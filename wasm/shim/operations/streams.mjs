// Pieces of bodies: of a streamed response, and of a stream handle.

import { Code, Limit } from "../codes.mjs";
import { EMPTY, OperationError } from "../encoding.mjs";

/**
 * body: a piece of the streamed response. Settles when the pipe has taken it.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function write({ request, body }) {
  if (!request.writer) throw new OperationError(Code.Conflict, "the response is not streamed");
  try {
    await request.writer.write(body);
  } catch {
    throw new OperationError(Code.Gone, "the client has left");
  }
}

/**
 * lines: handle. n = 1 at the end.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function read({ instance, lines: [id] }) {
  const handle = instance.handles.get(Number(id));
  if (!handle) throw new OperationError(Code.Gone, "no such handle");
  if (handle.reading) throw new OperationError(Code.Conflict, "one read at a time");
  handle.reading = true;
  try {
    let piece = handle.rest;
    while (!piece?.length) {
      handle.reader ??= /** @type {ReadableStreamDefaultReader} */ (handle.stream.getReader());
      const { done, value } = await handle.reader.read();
      if (done) {
        instance.handles.delete(Number(id));
        return { n: 1, body: EMPTY };
      }
      piece = value;
    }
    handle.rest = piece.length > Limit.ReadChunk ? piece.subarray(Limit.ReadChunk) : null;
    return { body: piece.length > Limit.ReadChunk ? piece.subarray(0, Limit.ReadChunk) : piece };
  } catch (e) {
    instance.handles.delete(Number(id));
    throw new OperationError(Code.Reset, String(/** @type {any} */ (e)?.message ?? e).replace(/[\r\n]+/g, " "));
  } finally {
    handle.reading = false;
  }
}
