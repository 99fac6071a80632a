// One request (or background owner) as the shim sees it.

/**
 * A stream that the guest knows by a handle.
 * @typedef {object} Handle
 * @property {ReadableStream} stream
 * @property {Request} owner
 * @property {ReadableStreamDefaultReader | null} reader
 * @property {AbortController | null} abort ends the fetch whose body this is
 * @property {Uint8Array | null} rest of a chunk that was larger than one read may be
 * @property {boolean} reading
 */

/**
 * @typedef {object} Call
 * @property {Request} owner
 * @property {AbortController | null} abort
 */

let lastID = 0;

export class Request {
  /**
   * @param {any} env
   * @param {{ waitUntil(p: Promise<unknown>): void }} ctx the context that keeps this request's I/O alive
   * @param {{ name: string, storage: any } | null} actor the Durable Object, if it is a request to one
   * @param {boolean} client whether somebody waits for a response
   */
  constructor(env, ctx, actor, client) {
    lastID = lastID >= 0x7fffffff ? 1 : lastID + 1;
    this.id = lastID;
    this.env = env;
    this.ctx = ctx;
    this.actor = actor;
    /** @type {Set<number>} calls that have not settled */
    this.calls = new Set();
    /** @type {((r: Request) => void)[]} work to do in this request's context */
    this.queue = [];
    this.beat = Date.now();
    this.gone = false;
    this.done = false;
    this.responded = !client;
    /** @type {WritableStreamDefaultWriter | null} */
    this.writer = null;
    /** @type {AbortController | null} of the stream that was passed to the client */
    this.passed = null;
    /** @type {(response: Response) => void} */
    this.resolve = () => {};
    /** @type {() => void} */
    this.wake = () => {};
    /** @type {() => void} */
    this.finished = () => {};
    /** @type {number | null} */
    this.tick = null;
    /** @type {number | null} */
    this.timer = null;
    this.armed = Infinity;
  }
}
