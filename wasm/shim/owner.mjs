import { monotonic } from "./monotonic.mjs";

/**
 * What operations belong to: a request, or background work, which is a request without a client.
 */
export class Owner {
  /** @type {(() => void)[]} work that waits to be done in this owner's context */
  queue = [];
  /** Ids of its calls that have not settled. @type {Set<number>} */
  calls = new Set();
  /** Stops the host's work of a call. @type {Map<number, () => void>} */
  aborts = new Map();
  /** Its open stream handles. @type {Set<number>} */
  handles = new Set();
  /** The response, given in this owner's context; a background owner has none. @type {PromiseWithResolvers<Response> | undefined} */
  response = undefined;
  /** A response was given, or a stand-in for it. */
  responded = false;
  /** The handler has ended. */
  done = false;
  /** It is no longer alive: it ended, or its context is gone. */
  gone = false;
  /** Where a streamed response is written. @type {WritableStreamDefaultWriter<Uint8Array> | undefined} */
  writer = undefined;
  /** Closes the outbound request whose body was passed on. @type {AbortController | undefined} */
  passed = undefined;
  /** When the stream that was passed on has ended. @type {Promise<void> | undefined} */
  ended = undefined;
  /** The request from outside, if it is one. @type {Request | undefined} */
  request = undefined;
  /** When its request began to be forwarded, in ms of monotonic. */
  begun = 0;
  /** It has a tick, and other requests can wake it. */
  attended = false;
  /** When it last had a sign of life, in ms of monotonic. */
  beat = monotonic();
  /** When its own timer is due, in ms of monotonic. */
  armed = Infinity;
  /** @type {ReturnType<typeof setTimeout> | null} */
  timer = null;
  /** @type {ReturnType<typeof setInterval> | null} */
  tick = null;
  /** Makes its context look at the queue. */
  wake = () => {};
  /** Lets the runtime end its context. */
  release = () => {};

  /**
   * @param {number} id
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} [actor]
   */
  constructor(id, env, ctx, actor) {
    this.id = id;
    this.env = env;
    this.ctx = ctx;
    this.actor = actor;
  }
}

/**
 * @typedef {Record<string, any>} Env the bindings and variables of wrangler.toml
 *
 * @typedef {{ waitUntil(promise: Promise<unknown>): void }} Context of one request, or of one life of a Durable Object. It tells
 *   contexts apart: owners with the same one share their I/O.
 *
 * @typedef {{ id: string; storage: DurableObjectStorage }} Actor one life of a Durable Object; id is CLASS/NAME
 */
