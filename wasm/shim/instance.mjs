import "../../build/wasm_exec.js";
import { decode, encode, join, NOTHING } from "./bytes.mjs";
import * as code from "./codes.mjs";
import { guestVariables } from "./environment.mjs";
import { parse, requestLines } from "./headers.mjs";
import { errorMeta, HostError } from "./host_error.mjs";
import { MAX_HEAD, MAX_INLINE_BODY, MAX_META, SILENCE, STANDSTILL, TICK } from "./limits.mjs";
import { log } from "./log.mjs";
import { monotonic } from "./monotonic.mjs";
import { fetched } from "./operations/fetch.mjs";
import { passOn, readOrder, swapped } from "./operations/forward.mjs";
import { OPERATIONS } from "./operations/table.mjs";
import { Owner } from "./owner.mjs";
import { instanceFailed, problem } from "./problem.mjs";
import { Timers } from "./timers.mjs";

/** @import { Order } from "./operations/forward.mjs" */
/** @import { Reply } from "./operations/table.mjs" */
/** @import { Actor, Context, Env } from "./owner.mjs" */

/** Statuses whose responses have no body (Fetch standard, "null body status"). */
const NULL_BODY = new Set([204, 205, 304]);

// github.com/syumai/workers reads this when the program starts, also where its lifecycle is not used.
globalThis.context ??= { binding: {}, env: {}, ctx: {} };

/**
 * One running Go program that serves every request of its isolate: the host's side of docs/host-abi.md.
 *
 * workerd allows an I/O object (a stream, a timer, the promise of a fetch) only in the context of the request that made it, and
 * ends a request that waits for nothing of its own. Go knows no such contexts: a goroutine runs in that of whichever request
 * entered the program last. Hence the rules of this file:
 *
 * - Go holds ids only. Each operation is done in the context of its owner: at once if that is the current one, else by the owner's
 *   queue.
 * - Each owner has an interval timer for as long as it lives. It tells workerd that the request is alive, and it empties the queue
 *   and fires Go's timers should nothing else do so.
 * - A promise that is resolved from another request is made by Promise.withResolvers. One made by `new Promise` loses its context
 *   as soon as V8 optimises the function that makes it.
 * - A context can vanish without notice. An owner without a tick for SILENCE milliseconds is given up from a live one.
 */
export class Instance {
  /** The program ended, or failed to start. */
  dead = false;
  /** Requests that it has been given. */
  served = 0;

  /** @type {Map<number, Owner>} */
  #owners = new Map();
  /** Who waits for a call. @type {Map<number, Owner>} */
  #callers = new Map();
  /** @type {Map<number, Handle>} */
  #handles = new Map();
  #timers = new Timers();
  #lastOwner = 0;
  #lastHandle = 0;
  /** In whose context the program runs now. @type {Owner | null} */
  #current = null;
  #depth = 0;
  /** When the program was entered, in ms since the epoch. Time stands still while it runs, as for all that a request computes. */
  #clock = 0;
  #lastTick = 0;
  #lastSweep = 0;
  /** What `take` hands over. */
  #meta = NOTHING;
  #body = NOTHING;
  #variables = NOTHING;
  #go = new Go();
  /** @type {Exports} */
  #exports;

  /**
   * Starts the program. Starting is synchronous up to where the program waits for its first event.
   *
   * @param {WebAssembly.Module} module
   * @param {Env} env
   * @param {string} sha256 of the module, in hexadecimal
   */
  constructor(module, env, sha256) {
    this.#variables = join(guestVariables(env, sha256).map(encode));
    const imports = /** @type {any} */ (this.#go.importObject);
    Object.assign(imports.gojs, {
      "runtime.nanotime1": (/** @type {number} */ sp) => {
        new DataView(this.#exports.mem.buffer).setBigInt64((sp >>> 0) + 8, BigInt(Math.round(monotonic() * 1e6)), true);
      },
      "runtime.scheduleTimeoutEvent": (/** @type {number} */ sp) => {
        const memory = new DataView(this.#exports.mem.buffer);
        const delay = Number(memory.getBigInt64((sp >>> 0) + 8, true));
        memory.setInt32((sp >>> 0) + 16, this.#timers.add(delay), true);
      },
      "runtime.clearTimeoutEvent": (/** @type {number} */ sp) => {
        this.#timers.clear(new DataView(this.#exports.mem.buffer).getInt32((sp >>> 0) + 8, true));
      },
    });
    imports.gojs["runtime.walltime"] = (/** @type {number} */ sp) => {
      const memory = new DataView(this.#exports.mem.buffer);
      memory.setBigInt64((sp >>> 0) + 8, BigInt(Math.floor(this.#clock / 1000)), true);
      memory.setInt32((sp >>> 0) + 16, (this.#clock % 1000) * 1_000_000, true);
    };
    imports.workers = { ready() {} };
    imports.grantway = {
      abi: () => (code.VERSION << 8) | code.MODE_RESIDENT,
      take: (/** @type {[number, number, number]} */ ...args) => this.#take(...args),
      sync: (/** @type {SevenNumbers} */ ...args) => this.#sync(...args),
      op: (/** @type {SevenNumbers} */ ...args) => this.#op(...args),
    };
    const instance = new WebAssembly.Instance(module, imports);
    this.#exports = /** @type {Exports} */ (/** @type {unknown} */ (instance.exports));
    this.#go.exit = (status) => this.#end(`the program exited with status ${status}`);
    const run = (/** @type {number} */ argc, /** @type {number} */ argv) => {
      try {
        this.#exports.run(argc, argv);
      } catch (error) {
        this.#end(String(error));
      }
    };
    this.#depth++;
    this.#clock = Date.now();
    // run() rejects only for what was noted above already.
    this.#go.run(Object.create(instance, { exports: { value: { ...instance.exports, run } } })).catch(() => {});
    this.#depth--;
  }

  /** Whether a request was ended by the runtime in the middle of the program, which leaves the program's state undefined. */
  get torn() {
    return this.#depth !== 0;
  }

  /** Bytes of linear memory. */
  get memory() {
    return this.#exports.mem.buffer.byteLength;
  }

  /** What is open, for tests and for the log. */
  get open() {
    return { owners: this.#owners.size, calls: this.#callers.size, handles: this.#handles.size, timers: this.#timers.size };
  }

  /**
   * Gives the program a request.
   *
   * @param {typeof code.KIND_FETCH | typeof code.KIND_OBJECT} kind
   * @param {Request} request
   * @param {Uint8Array<ArrayBuffer> | null} body of the request; null if it is to be read as a stream
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} [actor] the object that the request reached
   * @returns {Promise<Response> | Response}
   */
  serve(kind, request, body, env, ctx, actor) {
    if (this.dead) {
      return problem(503, "instance_failed", "The gateway could not start. See the host's log.");
    }
    const outside = kind === code.KIND_FETCH;
    const address = (outside && request.headers.get("cf-connecting-ip")) || "";
    const meta = encode(
      `${request.method} ${request.url}\n${actor?.id ?? ""}\n${address}${requestLines(request.headers, outside)}`,
    );
    if (meta.length > MAX_META) {
      return problem(431, "headers_too_large", "The request's head is above 256 KiB.");
    }
    this.served++;
    const owner = this.#register(env, ctx, actor);
    const response = Promise.withResolvers();
    owner.response = response;
    owner.request = request;
    if (actor) this.#endEarlierLives(owner, actor, ctx);
    const handle = body === null && request.body ? this.#open(owner, request.body) : 0;
    this.#enter(owner, () => {
      const answer = this.#push(
        code.KIND_FETCH === kind ? code.KIND_FETCH : code.KIND_OBJECT,
        owner.id,
        meta,
        body ?? NOTHING,
        handle,
      );
      if (answer < 0) this.#fail(owner);
      return answer;
    });
    return response.promise;
  }

  /**
   * Makes an owner in the present context and keeps that context alive for it.
   *
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} [actor]
   */
  adopt(env, ctx, actor) {
    const owner = this.#register(env, ctx, actor);
    this.#attend(owner);
    return owner;
  }

  /**
   * Makes an owner in the present context.
   *
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} [actor]
   */
  #register(env, ctx, actor) {
    do {
      this.#lastOwner = this.#lastOwner >= 0x7fffffff ? 1 : this.#lastOwner + 1;
    } while (this.#owners.has(this.#lastOwner));
    const owner = new Owner(this.#lastOwner, env, ctx, actor);
    this.#owners.set(owner.id, owner);
    return owner;
  }

  /**
   * Keeps an owner's context, which is the present one, alive, and able to be reached from others. What a forwarded request
   * waits for is its own, so that it can do without.
   *
   * @param {Owner} owner
   */
  #attend(owner) {
    owner.attended = true;
    const end = Promise.withResolvers();
    owner.release = () => end.resolve(undefined);
    owner.ctx.waitUntil(end.promise);
    this.#listen(owner);
    owner.beat = monotonic();
    owner.tick = setInterval(() => this.#tick(owner), TICK);
    owner.request?.signal?.addEventListener("abort", () => {
      owner.passed?.abort();
      if (!owner.gone) this.#enter(owner, () => this.#push(code.KIND_CANCEL, owner.id));
    });
  }

  /**
   * @param {string} text a stream handle
   */
  handle(text) {
    return this.#handles.get(Number(text));
  }

  /** Forgets a handle whose stream has ended. @param {Handle} handle */
  close(handle) {
    this.#handles.delete(handle.id);
    handle.owner.handles.delete(handle.id);
  }

  // What the program imports.

  /** @param {number} id @param {number} pointer @param {number} length */
  #take(id, pointer, length) {
    const target = this.#view(pointer, length);
    if (id === 0) {
      target.set(this.#variables);
      return;
    }
    target.set(this.#meta);
    target.set(this.#body, this.#meta.length);
    this.#meta = this.#body = NOTHING;
  }

  /** @type {Import} */
  #sync(operation, request, argument, metaPointer, metaLength, bodyPointer, bodyLength) {
    if (metaLength > MAX_META) return code.SYNC_MALFORMED;
    switch (operation) {
      case code.SYNC_RESPOND:
        return this.#respond(request, argument, decode(this.#view(metaPointer, metaLength)), this.#copy(bodyPointer, bodyLength));
      case code.SYNC_DONE:
        return this.#done(request);
      case code.SYNC_ABORT:
        return this.#abort(argument);
      case code.SYNC_CANCEL:
        return this.#cancel(argument);
      case code.SYNC_CURRENT:
        return this.#current?.id ?? 0;
      case code.SYNC_LOG:
        log(argument, decode(this.#view(metaPointer, metaLength)));
        return 0;
      case code.SYNC_ENV:
        return this.#variables.length;
      case code.SYNC_SUPPORTS:
        return argument === code.OP_FORWARD || OPERATIONS.has(argument) ? 1 : 0;
      default:
        return code.SYNC_UNKNOWN;
    }
  }

  /** @type {Import} */
  #op(operation, request, call, metaPointer, metaLength, bodyPointer, bodyLength) {
    if (operation === code.OP_FORWARD && metaLength <= MAX_META) {
      return this.#forward(request, call, decode(this.#view(metaPointer, metaLength)), this.#copy(bodyPointer, bodyLength));
    }
    const entry = OPERATIONS.get(operation);
    if (!entry) return this.#refuse(call, new HostError("unsupported", `operation ${operation}`));
    if (metaLength > MAX_META) return this.#refuse(call, new HostError("limit", "meta above 256 KiB"));
    const meta = decode(this.#view(metaPointer, metaLength));
    const body = this.#copy(bodyPointer, bodyLength);
    // A stream belongs to its owner's context, whoever reads it.
    const owner =
      (operation === code.OP_READ && this.handle(meta)?.owner) || (request === 0 ? this.#current : this.#owners.get(request));
    if (!owner || owner.gone) return this.#refuse(call, new HostError("gone", "the request no longer exists"));
    owner.calls.add(call);
    this.#callers.set(call, owner);
    this.#in(owner, () => {
      if (!owner.calls.has(call)) return; // given up meanwhile
      let reply;
      try {
        reply = Promise.resolve(entry.run({ instance: this, owner, call, meta, body }));
      } catch (error) {
        reply = Promise.reject(error);
      }
      reply.then(
        (value) => this.#settle(owner, call, value),
        (error) => this.#settle(owner, call, undefined, errorMeta(error, entry.fallback)),
      );
    });
    return 0;
  }

  /**
   * Sends a request on and gives its answer to the client, if its status is 2xx; else to the program, as a fetch does.
   *
   * @param {number} request
   * @param {number} call
   * @param {string} meta
   * @param {Uint8Array<ArrayBuffer>} body
   */
  #forward(request, call, meta, body) {
    const owner = this.#owners.get(request);
    if (!owner || owner.gone) return this.#refuse(call, new HostError("gone", "the request no longer exists"));
    if (owner !== this.#current || !owner.response || owner.responded) {
      return this.#refuse(call, new HostError("conflict", "no client that waits for a response"));
    }
    let order;
    try {
      order = readOrder(meta, body);
    } catch (error) {
      return this.#refuse(call, /** @type {HostError} */ (error));
    }
    owner.calls.add(call);
    this.#callers.set(call, owner);
    owner.begun = monotonic();
    owner.beat = owner.begun + order.timeout;
    owner.ctx.waitUntil(owner.response.promise);
    const timer = setTimeout(() => this.#settle(owner, call, undefined, "timeout\nno answer in time"), order.timeout);
    fetch(order.url, order.init).then(
      (answer) => {
        clearTimeout(timer);
        this.#forwarded(owner, call, order, answer);
      },
      (error) => {
        clearTimeout(timer);
        this.#settle(owner, call, undefined, errorMeta(error, "net"));
      },
    );
    return 0;
  }

  /** @param {Owner} owner @param {number} call @param {Order} order @param {Response} answer */
  #forwarded(owner, call, order, answer) {
    if (!answer.ok || owner.responded || !owner.calls.has(call) || !swapped(order, answer)) {
      this.#settle(owner, call, fetched(answer, order.init.method));
      return;
    }
    owner.responded = owner.done = true;
    // What the runtime decodes has another length.
    const length = answer.headers.has("content-encoding") ? null : answer.headers.get("content-length");
    let body = answer.body;
    if (body && !(length !== null && Number(length) <= MAX_INLINE_BODY)) {
      const head = Math.min(Math.round(monotonic() - owner.begun), MAX_HEAD);
      this.#attend(owner);
      body = piped(owner, body, length);
      owner.ended?.then(() => this.#passed(owner, call, answer.status + 1000 * head));
    }
    try {
      owner.response?.resolve(passOn(order, answer, body));
    } catch (error) {
      this.#ungiven(owner, error, body);
    }
    if (!owner.ended) this.#passed(owner, call, answer.status);
  }

  /** Tells the program that a request was forwarded. @param {Owner} owner @param {number} call @param {number} n */
  #passed(owner, call, n) {
    if (!owner.calls.delete(call)) return;
    this.#callers.delete(call);
    this.#enter(owner, () => this.#push(code.KIND_OK, call, NOTHING, NOTHING, n));
    this.#releaseIfOver(owner);
  }

  // Synchronous operations. What they change is marked at once and done in the owner's context.

  /** @param {number} request @param {number} source @param {string} meta @param {Uint8Array<ArrayBuffer>} body */
  #respond(request, source, meta, body) {
    const owner = this.#owners.get(request);
    if (!owner?.response || owner.responded || owner.done) return code.SYNC_NOT_FOUND;
    const newline = meta.indexOf("\n");
    const status = Number(newline < 0 ? meta : meta.slice(0, newline));
    if (!Number.isInteger(status) || status < 200 || status > 599) return code.SYNC_MALFORMED;
    const handle = this.#handles.get(source);
    if (source > 0) {
      if (!handle || handle.owner.ctx !== owner.ctx || handle.reader) return code.SYNC_NOT_FOUND;
      this.close(handle);
    }
    owner.responded = true;
    this.#in(owner, () => this.#give(owner, status, newline < 0 ? "" : meta.slice(newline + 1), source, handle, body));
    return 0;
  }

  /**
   * @param {Owner} owner
   * @param {number} status
   * @param {string} lines the headers
   * @param {number} source
   * @param {Handle | undefined} handle
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  #give(owner, status, lines, source, handle, bytes) {
    /** @type {BodyInit | null} */
    let body = bytes;
    if (handle) {
      const length = /^content-length:([0-9]+)$/im.exec(lines)?.[1];
      // The end of a body that is not known to be short is noted.
      body = Number(length) <= MAX_INLINE_BODY ? handle.body : piped(owner, handle.body, length);
      owner.passed = handle.controller;
    } else if (source === code.BODY_STREAM) {
      const pipe = new IdentityTransformStream();
      owner.writer = pipe.writable.getWriter();
      // The failure of a write is the reply to that write.
      owner.writer.closed.catch(() => {});
      body = pipe.readable;
    }
    if (NULL_BODY.has(status)) {
      if (body instanceof ReadableStream) body.cancel().catch(() => {});
      body = null;
    }
    try {
      owner.response?.resolve(new Response(body, { status, headers: parse(lines) }));
    } catch (error) {
      this.#ungiven(owner, error, body instanceof ReadableStream ? body : null);
    }
  }

  /** @param {Owner} owner @param {unknown} error @param {ReadableStream | null} body */
  #ungiven(owner, error, body) {
    console.error("a response could not be given:", error);
    body?.cancel().catch(() => {});
    owner.response?.resolve(problem(500, "internal_error", "The gateway failed while it served this request."));
  }

  /** @param {number} request */
  #done(request) {
    const owner = this.#owners.get(request);
    if (!owner || owner.done) return code.SYNC_NOT_FOUND;
    owner.done = true;
    this.#in(owner, () => {
      if (owner.response && !owner.responded) {
        owner.responded = true;
        owner.response.resolve(problem(500, "no_response", "The gateway ended the request without a response."));
      }
      owner.writer?.close().catch(() => {});
      this.#releaseIfOver(owner);
    });
    return 0;
  }

  /** @param {number} call */
  #abort(call) {
    const owner = this.#callers.get(call);
    if (!owner) return code.SYNC_NOT_FOUND;
    this.#callers.delete(call);
    owner.calls.delete(call);
    this.#in(owner, () => {
      owner.aborts.get(call)?.();
      owner.aborts.delete(call);
      this.#releaseIfOver(owner);
    });
    return 0;
  }

  /** @param {number} id */
  #cancel(id) {
    const handle = this.#handles.get(id);
    if (!handle) return code.SYNC_NOT_FOUND;
    this.close(handle);
    this.#in(handle.owner, () => cancelStream(handle));
    return 0;
  }

  // Into the program.

  /**
   * The only way into the program: does what `deliver` does and lets every goroutine run until none can go on.
   *
   * @param {Owner | null} owner whose context this is
   * @param {() => number | void} deliver may answer what the program did: if it has nothing to run, it is not resumed
   */
  #enter(owner, deliver) {
    if (this.dead) {
      if (owner) this.#fail(owner); // a forwarded one, which could not be reached when the program died
      return;
    }
    const before = this.#current;
    this.#current = owner;
    this.#depth++;
    try {
      this.#clock = Date.now();
      if (deliver() !== code.PUSH_IDLE && !this.dead) {
        if (owner && !owner.attended && !owner.gone) this.#attend(owner);
        this.#go._resume();
      }
    } catch (error) {
      this.#end(String(error));
    }
    this.#depth--;
    this.#current = before;
    if (this.dead) this.#failAll();
    else if (owner?.attended && !owner.gone) this.#arm(owner);
  }

  /**
   * @param {number} kind
   * @param {number} id
   * @param {Uint8Array<ArrayBuffer>} [meta]
   * @param {Uint8Array<ArrayBuffer>} [body]
   * @param {number} [n]
   */
  #push(kind, id, meta = NOTHING, body = NOTHING, n = 0) {
    this.#meta = meta;
    this.#body = body;
    return this.#exports.push(kind, id, meta.length, body.length, n);
  }

  /**
   * Ends a call, in its owner's context.
   *
   * @param {Owner} owner
   * @param {number} call
   * @param {Reply | undefined} reply
   * @param {string} [failure]
   */
  #settle(owner, call, reply, failure) {
    owner.aborts.delete(call);
    if (!owner.calls.delete(call)) {
      // Given up. What it opened is of no use.
      reply?.stream?.body.cancel().catch(() => {});
      return;
    }
    this.#callers.delete(call);
    const n = reply?.stream ? this.#open(owner, reply.stream.body, reply.stream.controller) : (reply?.n ?? 0);
    this.#enter(owner, () => {
      if (failure === undefined) this.#push(code.KIND_OK, call, encode(reply?.meta ?? ""), reply?.body, n);
      else this.#push(code.KIND_ERROR, call, encode(failure));
    });
    this.#releaseIfOver(owner);
  }

  /**
   * Settles a call that no owner can do. @param {number} call @param {HostError} error
   */
  #refuse(call, error) {
    const at = this.#current;
    Promise.resolve().then(() => {
      this.#enter(at, () => this.#push(code.KIND_ERROR, call, encode(errorMeta(error, "internal"))));
    });
    return 0;
  }

  // Contexts.

  /**
   * Does work in the owner's context, after all work that was put there before.
   *
   * @param {Owner} owner
   * @param {() => void} work
   */
  #in(owner, work) {
    if (this.#current?.ctx === owner.ctx) {
      this.#drain(owner);
      work();
      return;
    }
    owner.queue.push(work);
    owner.wake();
  }

  /** @param {Owner} owner */
  #drain(owner) {
    while (owner.queue.length > 0) {
      const work = owner.queue;
      owner.queue = [];
      for (const item of work) item();
    }
  }

  /** Lets other requests wake this one. @param {Owner} owner */
  #listen(owner) {
    const call = Promise.withResolvers();
    owner.wake = () => call.resolve(undefined);
    call.promise.then(() => {
      if (owner.gone) return;
      this.#listen(owner);
      this.#drain(owner);
    });
  }

  /** @param {Owner} owner */
  #tick(owner) {
    const now = monotonic();
    if (now - this.#lastTick > STANDSTILL) for (const other of this.#owners.values()) other.beat = Math.max(other.beat, now);
    this.#lastTick = owner.beat = now;
    this.#drain(owner);
    this.#fire(owner);
    if (now - this.#lastSweep < 1000) return;
    this.#lastSweep = now;
    for (const other of this.#owners.values()) if (now - other.beat > SILENCE) this.#lose(owner, other);
  }

  /** Lets Go's due timers run. @param {Owner} owner */
  #fire(owner) {
    if (owner.gone) return;
    if (this.#timers.next() <= monotonic()) this.#enter(owner, () => {});
    else this.#arm(owner);
  }

  /** Wakes this owner for Go's next timer, unless its tick comes first. @param {Owner} owner */
  #arm(owner) {
    const due = this.#timers.next();
    if (due >= owner.armed) return;
    const delay = due - monotonic();
    if (delay >= TICK) return;
    clearTimeout(owner.timer);
    owner.armed = due;
    owner.timer = setTimeout(
      () => {
        owner.armed = Infinity;
        this.#fire(owner);
      },
      Math.max(delay, 0),
    );
  }

  // Ends.

  /** @param {Owner} owner */
  #releaseIfOver(owner) {
    if (owner.done && owner.calls.size === 0 && !owner.gone) this.#release(owner);
  }

  /** Ends an owner's life, in its context. @param {Owner} owner */
  #release(owner) {
    owner.gone = true;
    this.#owners.delete(owner.id);
    if (owner.attended) {
      clearInterval(owner.tick);
      clearTimeout(owner.timer);
    }
    for (const id of owner.handles) {
      const handle = this.#handles.get(id);
      this.#handles.delete(id);
      if (handle) cancelStream(handle);
    }
    owner.handles.clear();
    owner.release();
    if (owner.armed === Infinity) return;
    // This one was to fire Go's next timer: let another do so.
    for (const other of this.#owners.values()) {
      if (!other.attended) continue;
      this.#in(other, () => this.#arm(other));
      break;
    }
  }

  /** Fails an owner whose program is dead, in its context. @param {Owner} owner */
  #fail(owner) {
    if (owner.gone) return;
    if (owner.response && !owner.responded) {
      owner.responded = true;
      owner.response.resolve(instanceFailed());
    }
    owner.writer?.abort(new Error("the instance ended")).catch(() => {});
    for (const abort of owner.aborts.values()) abort();
    this.#release(owner);
  }

  #failAll() {
    for (const owner of this.#owners.values()) this.#in(owner, () => this.#fail(owner));
  }

  /** @param {string} why */
  #end(why) {
    if (!this.dead) console.error(`the gateway's instance ended: ${why}`);
    this.dead = true;
  }

  /**
   * Gives up an owner whose context is gone, from a live one.
   *
   * @param {Owner} live
   * @param {Owner} lost
   */
  #lose(live, lost) {
    lost.gone = true;
    this.#owners.delete(lost.id);
    for (const id of lost.handles) this.#handles.delete(id);
    const failure = encode("gone\nthe request's context is gone");
    this.#enter(live, () => {
      for (const call of lost.calls) {
        this.#callers.delete(call);
        this.#push(code.KIND_ERROR, call, failure);
      }
      lost.calls.clear();
      this.#push(code.KIND_CANCEL, lost.id);
    });
  }

  /**
   * A reset object begins a new life with a new context. What waits for the old one would wait for ever.
   *
   * @param {Owner} live
   * @param {Actor} actor
   * @param {Context} ctx
   */
  #endEarlierLives(live, actor, ctx) {
    for (const other of this.#owners.values()) {
      if (other.actor?.id === actor.id && other.ctx !== ctx) this.#lose(live, other);
    }
  }

  // Memory and handles.

  /** @param {number} pointer @param {number} length */
  #view(pointer, length) {
    return new Uint8Array(this.#exports.mem.buffer, pointer >>> 0, length);
  }

  /** @param {number} pointer @param {number} length @returns {Uint8Array<ArrayBuffer>} */
  #copy(pointer, length) {
    return length === 0 ? NOTHING : this.#view(pointer, length).slice();
  }

  /** @param {Owner} owner @param {ReadableStream<Uint8Array>} body @param {AbortController} [controller] */
  #open(owner, body, controller) {
    do {
      this.#lastHandle = this.#lastHandle >= 0x7fffffff ? 1 : this.#lastHandle + 1;
    } while (this.#handles.has(this.#lastHandle));
    const id = this.#lastHandle;
    this.#handles.set(id, { id, owner, body, controller, reader: undefined, rest: NOTHING, reading: false });
    owner.handles.add(id);
    return id;
  }
}

/**
 * Passes a stream on to the client, and notes its end.
 *
 * @param {Owner} owner
 * @param {ReadableStream<Uint8Array>} body
 * @param {string | null | undefined} length declared, in bytes
 */
function piped(owner, body, length) {
  const pipe = length ? new FixedLengthStream(Number(length)) : new IdentityTransformStream();
  // Why it ended is the client's to see.
  owner.ended = body.pipeTo(pipe.writable).catch(() => {});
  return pipe.readable;
}

/** Closes a stream unread, in its owner's context. @param {Handle} handle */
function cancelStream(handle) {
  (handle.reader ?? handle.body).cancel().catch(() => {});
}

/**
 * @typedef {object} Handle an open stream
 * @property {number} id
 * @property {Owner} owner
 * @property {ReadableStream<Uint8Array>} body
 * @property {AbortController | undefined} controller of the outbound request that it belongs to
 * @property {ReadableStreamDefaultReader<Uint8Array> | undefined} reader once it is read
 * @property {Uint8Array} rest of a piece that was larger than one read
 * @property {boolean} reading
 *
 * @typedef {[number, number, number, number, number, number, number]} SevenNumbers
 *
 * @typedef {(code: number, request: number, argument: number, metaPointer: number, metaLength: number, bodyPointer: number,
 *   bodyLength: number) => number} Import
 *
 * @typedef {object} Exports
 * @property {WebAssembly.Memory} mem
 * @property {(argc: number, argv: number) => void} run
 * @property {(kind: number, id: number, metaLength: number, bodyLength: number, n: number) => number} push
 */
