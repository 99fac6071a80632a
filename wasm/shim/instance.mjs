// One running instance of the module, in the resident lifecycle: it serves all requests of this isolate.
//
// Workers ties every I/O object, timer and promise to the request that made it. So Go never holds one: it names a request and
// asks for an operation, and the operation runs in that request's own context. The rules that make this hold are beside the
// lines that keep them; docs/rationale.md tells how they were found.

import { Body, Code, Kind, Limit, MODE_RESIDENT, Push, Sync, SyncResult, VERSION } from "./codes.mjs";
import { EMPTY, OperationError, decode, encode, joinFrames, parseHeaders } from "./encoding.mjs";
import { Request } from "./request.mjs";
import { Timers } from "./timers.mjs";
import { OPERATIONS } from "./operations/index.mjs";

/** How often each pending request looks for work, due timers and vanished neighbours, in ms. */
const TICK = 50;
/** A request without a tick for so long has lost its context without notice, in ms. */
const VANISHED = 10_000;
/** Linear memory above which new requests get a new instance, in bytes. */
const RECYCLE_MEMORY = 64 << 20;
/** Responses whose status forbids a body (RFC 9110 §6.4.1). */
const NO_BODY = new Set([101, 204, 205, 304]);

export const INTERNAL_PREFIX = "grantway-internal-";

/** @returns {Response} what a request gets whose instance cannot serve it */
export const failed = () =>
  new Response('{"error":{"code":"instance_failed","message":"The gateway restarts; try again."}}', {
    status: 503,
    headers: { "content-type": "application/json", "cache-control": "no-store", "retry-after": "1" },
  });

export class Instance {
  /** @type {Map<number, Request>} */
  requests = new Map();
  /** @type {Map<number, import("./request.mjs").Call>} */
  calls = new Map();
  /** @type {Map<number, import("./request.mjs").Handle>} */
  handles = new Map();
  timers = new Timers();
  served = 0;
  hops = 0;
  dead = false;
  /** How deep we are in Go. Not 0 at the top of a handler: the runtime ended a request inside Go, and its state is unknown. */
  depth = 0;

  /** @type {Request | null} the request in whose context we run */
  #current = null;
  /** @type {Map<number, Uint8Array[]>} bytes that wait for the guest's take, by id */
  #inbox = new Map();
  #lastHandle = 0;
  #swept = 0;
  #environment;
  /** @type {Go} */
  #go;
  /** @type {any} */
  #exports;

  /**
   * Starts the program; it runs until it waits for its first event. A program that ends before is dead.
   * @param {WebAssembly.Module} module
   * @param {Record<string, string>} environment
   */
  constructor(module, environment) {
    this.#environment = joinFrames(Object.entries(environment).flat().map(encode));
    const go = (this.#go = new Go());
    const imports = /** @type {any} */ (go.importObject);
    imports.gojs["runtime.scheduleTimeoutEvent"] = (/** @type {number} */ sp) => {
      sp >>>= 0;
      go.mem.setInt32(sp + 16, this.timers.schedule(Number(go.mem.getBigInt64(sp + 8, true))), true);
    };
    imports.gojs["runtime.clearTimeoutEvent"] = (/** @type {number} */ sp) => {
      sp >>>= 0;
      this.timers.clear(go.mem.getInt32(sp + 8, true));
    };
    imports.workers = { ready() {} };
    imports.grantway = {
      abi: () => (VERSION << 8) | MODE_RESIDENT,
      take: this.#take,
      sync: this.#sync,
      op: this.#op,
    };
    go.exit = () => {
      this.dead = true;
    };
    this.depth++;
    try {
      const instance = new WebAssembly.Instance(module, imports);
      this.#exports = instance.exports;
      void go.run(instance);
    } catch (e) {
      this.#die(e);
    }
    this.depth--;
  }

  /** Bytes of linear memory. */
  get memory() {
    return this.#exports?.mem.buffer.byteLength ?? 0;
  }

  /** Whether new requests should get another instance. */
  get spent() {
    return this.dead || this.depth !== 0 || this.memory > RECYCLE_MEMORY;
  }

  /**
   * Serves one event.
   * @param {number} kind
   * @param {any} request a fetch Request
   * @param {any} env
   * @param {any} ctx
   * @param {{ name: string, storage: any } | null} actor
   * @returns {Promise<Response>}
   */
  async serve(kind, request, env, ctx, actor = null) {
    let body = EMPTY;
    let stream = null;
    if (request.body) {
      const declared = request.headers.get("content-length");
      if (declared !== null && Number(declared) <= Limit.InlineBody) body = new Uint8Array(await request.arrayBuffer());
      else stream = request.body;
    }
    if (this.dead) return failed();
    let head = `${request.method} ${request.url}\n${actor?.name ?? ""}\n${request.headers.get("cf-connecting-ip") ?? ""}`;
    for (const [name, value] of request.headers)
      if (!name.startsWith(INTERNAL_PREFIX)) head += "\n" + name + ":" + value;
    const meta = encode(head);
    if (meta.length > Limit.Meta) return new Response(null, { status: 431 });
    this.served++;
    // An earlier life of this Durable Object may have left calls behind that never settle.
    if (actor) this.#endEarlierLives(actor, ctx);
    const r = this.#admit(new Request(env, ctx, actor, true));
    const response = new Promise((resolve) => (r.resolve = resolve));
    // A hint only: workerd tells it for streams, and not before the response begins.
    request.signal?.addEventListener("abort", () => {
      r.passed?.abort();
      if (!r.gone) this.#enter(r, () => this.#exports.push(Kind.Cancel, r.id, 0, 0, 0));
    });
    const handle = stream ? this.#handle(r, stream, null) : 0;
    this.#inbox.set(r.id, [meta, body]);
    this.#enter(r, () => {
      if (this.#exports.push(kind, r.id, meta.length, body.length, handle) === Push.NotReady) this.#die("not serving");
    });
    return response;
  }

  /** @param {Request} r */
  #admit(r) {
    while (this.requests.has(r.id)) r.id = r.id >= 0x7fffffff ? 1 : r.id + 1;
    this.requests.set(r.id, r);
    // Keeps this request's context until its handler has ended, also when its client is gone.
    r.ctx.waitUntil(new Promise((resolve) => (r.finished = () => resolve(undefined))));
    this.#rearm(r);
    // A request that waits for another one must have I/O of its own pending, or workerd calls it hung; and it must find its
    // work and due Go timers also if nobody wakes it.
    r.tick = setInterval(() => this.#beat(r), TICK);
    return r;
  }

  /**
   * A promise by which other requests wake this one. It must come from withResolvers: workerd forgets the context of a promise
   * made by a `new Promise` that V8 has optimised.
   * @param {Request} r
   */
  #rearm(r) {
    const { promise, resolve } = Promise.withResolvers();
    r.wake = () => resolve(undefined);
    void promise.then(() => {
      if (r.gone) return;
      this.#rearm(r);
      this.#drain(r);
    });
  }

  /**
   * The only way into Go.
   * @param {Request} r in whose context we are
   * @param {() => void} f
   */
  #enter(r, f) {
    if (this.dead) return;
    const previous = this.#current;
    this.#current = r;
    this.depth++;
    try {
      f();
      if (!this.dead) this.#go._resume();
    } catch (e) {
      this.#die(e);
    }
    this.depth--;
    this.#current = previous;
    if (this.dead) this.#failAll();
    else if (!r.gone) this.#arm(r);
  }

  /** @param {unknown} why */
  #die(why) {
    if (!this.dead) console.error(JSON.stringify({ level: "ERROR", msg: "the instance failed", error: String(why) }));
    this.dead = true;
  }

  /** The instance is dead: everybody who has no answer gets a 503, streams break off. */
  #failAll() {
    for (const r of this.requests.values()) {
      this.#on(r, () => {
        if (r.responded) void r.writer?.abort("instance failed").catch(() => {});
        else r.resolve(failed());
        r.responded = true;
        this.#finish(r);
      });
    }
  }

  /**
   * Runs f in the context of r: at once if we are in it, else as soon as it wakes.
   * @param {Request} r
   * @param {(r: Request) => void} f
   */
  #on(r, f) {
    // All requests of one actor share one context.
    if (r === this.#current || (r.actor && r.ctx === this.#current?.ctx)) {
      f(r);
    } else {
      this.hops++;
      r.queue.push(f);
      r.wake();
    }
  }

  /** @param {Request} r */
  #drain(r) {
    if (r.queue.length === 0) return;
    const queue = r.queue;
    r.queue = [];
    const previous = this.#current;
    this.#current = r;
    for (const f of queue) f(r);
    this.#current = previous;
  }

  /**
   * Sets a timeout for the next Go timer in the context we are in; the ticks of the others are the safety net.
   * @param {Request} r
   */
  #arm(r) {
    if (!this.timers.pending) return;
    const next = this.timers.next;
    if (next >= r.armed) return;
    const ms = next - Date.now();
    if (ms >= TICK) return;
    clearTimeout(r.timer);
    r.armed = next;
    r.timer = setTimeout(
      () => {
        r.armed = Infinity;
        this.#fire(r);
      },
      Math.max(ms, 0),
    );
  }

  /** @param {Request} r */
  #fire(r) {
    if (r.gone || !this.timers.pending) return;
    if (this.timers.next <= Date.now()) this.#enter(r, () => {});
    else this.#arm(r);
  }

  /** @param {Request} r */
  #beat(r) {
    const now = Date.now();
    r.beat = now;
    this.#drain(r);
    this.#fire(r);
    if (Math.abs(now - this.#swept) < 1000) return;
    this.#swept = now;
    for (const other of [...this.requests.values()])
      if (now - other.beat > VANISHED) this.#end(r, other, "the request's context is gone");
  }

  /**
   * Ends a request whose context no longer runs: its calls fail, from the context of another one.
   * @param {Request} r in whose context we are
   * @param {Request} lost
   * @param {string} why
   */
  #end(r, lost, why) {
    lost.gone = true;
    this.requests.delete(lost.id);
    clearInterval(lost.tick);
    for (const [id, h] of this.handles) if (h.owner === lost) this.handles.delete(id);
    for (const call of [...lost.calls]) {
      lost.calls.delete(call);
      this.calls.delete(call);
      this.#push(r, Kind.Error, call, Code.Gone + "\n" + why, EMPTY, 0);
    }
    this.#enter(r, () => this.#exports.push(Kind.Cancel, lost.id, 0, 0, 0));
  }

  /**
   * @param {{ name: string }} actor
   * @param {any} ctx
   */
  #endEarlierLives(actor, ctx) {
    for (const other of [...this.requests.values()]) {
      if (other.actor?.name === actor.name && other.ctx !== ctx) this.#end(other, other, "the object was reset");
    }
  }

  /** @param {Request} r */
  #finish(r) {
    if (r.gone) return;
    r.gone = true;
    clearInterval(r.tick);
    clearTimeout(r.timer);
    this.requests.delete(r.id);
    for (const [id, h] of this.handles) if (h.owner === r) this.#close(id, h);
    void r.writer?.close().catch(() => {});
    if (!r.responded) r.resolve(failed());
    r.finished();
    // The next Go timer may have been armed here.
    if (this.timers.pending) for (const other of this.requests.values()) return this.#on(other, () => this.#arm(other));
  }

  // ---- calls and handles

  /**
   * @param {Request} owner
   * @param {any} stream
   * @param {AbortController | null} abort
   */
  #handle(owner, stream, abort) {
    do this.#lastHandle = this.#lastHandle >= 0x7fffffff ? 1 : this.#lastHandle + 1;
    while (this.handles.has(this.#lastHandle));
    this.handles.set(this.#lastHandle, { stream, owner, reader: null, abort, rest: null, reading: false });
    return this.#lastHandle;
  }

  /**
   * @param {number} id
   * @param {import("./request.mjs").Handle} h
   */
  #close(id, h) {
    this.handles.delete(id);
    void (h.reader ?? h.stream).cancel().catch(() => {});
    h.abort?.abort();
  }

  /**
   * Settles a call; exactly once, and never while Go is on the stack.
   * @param {number} call
   * @param {number} kind
   * @param {string} meta
   * @param {Uint8Array} body
   * @param {number} n
   */
  #settle(call, kind, meta, body, n) {
    const c = this.calls.get(call);
    if (!c) return; // given up
    const r = c.owner;
    this.calls.delete(call);
    r.calls.delete(call);
    this.#push(r, kind, call, meta, body, n);
    if (r.done && r.calls.size === 0) this.#finish(r);
  }

  /**
   * @param {Request} r
   * @param {number} kind
   * @param {number} id
   * @param {string} meta
   * @param {Uint8Array} body
   * @param {number} n
   */
  #push(r, kind, id, meta, body, n) {
    const m = encode(meta);
    if (m.length + body.length > 0) this.#inbox.set(id, [m, body]);
    this.#enter(r, () => this.#exports.push(kind, id, m.length, body.length, n));
  }

  // ---- imports

  /**
   * @param {number} pointer
   * @param {number} length
   */
  #view(pointer, length) {
    return new Uint8Array(this.#exports.mem.buffer, pointer >>> 0, length);
  }

  #take = (/** @type {number} */ id, /** @type {number} */ pointer, /** @type {number} */ length) => {
    const parts = this.#inbox.get(id) ?? [];
    this.#inbox.delete(id);
    const to = this.#view(pointer, length);
    let at = 0;
    for (const p of parts) {
      to.set(p.subarray(0, length - at), at);
      at += p.length;
    }
  };

  #op = (
    /** @type {number} */ code,
    /** @type {number} */ req,
    /** @type {number} */ id,
    /** @type {number} */ metaPointer,
    /** @type {number} */ metaLength,
    /** @type {number} */ bodyPointer,
    /** @type {number} */ bodyLength,
  ) => {
    const r = req === 0 ? this.#current : this.requests.get(req);
    const current = /** @type {Request} */ (this.#current);
    if (!r || r.gone) {
      this.#failLater(current, id, new OperationError(Code.Gone, "no such request"));
      return;
    }
    const operation = OPERATIONS.get(code);
    if (!operation || metaLength > Limit.Meta) {
      const error = operation
        ? new OperationError(Code.Limit, "meta")
        : new OperationError(Code.Unsupported, "operation " + code);
      this.#failLater(current, id, error);
      return;
    }
    const lines = decode(this.#view(metaPointer, metaLength)).split("\n");
    const body = bodyLength ? this.#view(bodyPointer, bodyLength).slice() : EMPTY;
    this.calls.set(id, { owner: r, abort: null });
    r.calls.add(id);
    this.#on(r, () => {
      const call = this.calls.get(id);
      if (!call) return;
      operation({ instance: this, request: r, call, lines, body }).then(
        (reply) => this.#settle(id, Kind.OK, reply?.meta ?? "", reply?.body ?? EMPTY, reply?.n ?? 0),
        (e) => this.#settle(id, Kind.Error, errorMeta(e), EMPTY, 0),
      );
    });
  };

  /**
   * @param {Request} r in whose context we are
   * @param {number} id
   * @param {OperationError} error
   */
  #failLater(r, id, error) {
    this.calls.set(id, { owner: r, abort: null });
    r.calls.add(id);
    void Promise.resolve().then(() => this.#settle(id, Kind.Error, errorMeta(error), EMPTY, 0));
  }

  #sync = (
    /** @type {number} */ code,
    /** @type {number} */ req,
    /** @type {number} */ arg,
    /** @type {number} */ metaPointer,
    /** @type {number} */ metaLength,
    /** @type {number} */ bodyPointer,
    /** @type {number} */ bodyLength,
  ) => {
    switch (code) {
      case Sync.Respond: {
        if (metaLength > Limit.Meta) return SyncResult.Malformed;
        const body = bodyLength ? this.#view(bodyPointer, bodyLength).slice() : null;
        return this.#respond(req, arg, decode(this.#view(metaPointer, metaLength)), body);
      }
      case Sync.Done:
        return this.#done(req);
      case Sync.Abort:
        return this.#abort(arg);
      case Sync.Cancel: {
        const h = this.handles.get(arg);
        if (!h) return SyncResult.NotFound;
        this.handles.delete(arg);
        this.#on(h.owner, () => this.#close(arg, h));
        return SyncResult.OK;
      }
      case Sync.Current:
        return this.#current?.id ?? 0;
      case Sync.Log:
        log(arg, decode(this.#view(metaPointer, metaLength)));
        return SyncResult.OK;
      case Sync.Env:
        this.#inbox.set(0, [this.#environment]);
        return this.#environment.length;
    }
    return SyncResult.Unknown;
  };

  /**
   * @param {number} req
   * @param {number} source
   * @param {string} meta
   * @param {Uint8Array | null} bytes
   */
  #respond(req, source, meta, bytes) {
    const r = this.requests.get(req);
    if (!r || r.responded) return SyncResult.NotFound;
    const lines = meta.split("\n");
    const status = Number(lines[0]);
    if (!(status >= 200 && status <= 599)) return SyncResult.Malformed;
    const handle = source > 0 ? this.handles.get(source) : undefined;
    if (source > 0 && (!handle || handle.owner !== r || handle.reading)) return SyncResult.NotFound;
    const headers = parseHeaders(lines, 1);
    r.responded = true;
    this.handles.delete(source);
    this.#on(r, () => {
      /** @type {any} */
      let body = bytes;
      if (handle) {
        r.passed = handle.abort;
        body = handle.stream;
      } else if (source === Body.Stream) {
        const pipe = new IdentityTransformStream();
        r.writer = pipe.writable.getWriter();
        body = pipe.readable;
      }
      if (NO_BODY.has(status)) {
        if (handle) void handle.stream.cancel().catch(() => {});
        body = null;
      }
      r.resolve(new Response(body, { status, headers }));
    });
    return SyncResult.OK;
  }

  /** @param {number} req */
  #done(req) {
    const r = this.requests.get(req);
    if (!r || r.done) return SyncResult.NotFound;
    r.done = true;
    this.#on(r, () => {
      if (r.calls.size === 0) this.#finish(r);
    });
    return SyncResult.OK;
  }

  /** @param {number} id */
  #abort(id) {
    const call = this.calls.get(id);
    if (!call) return SyncResult.NotFound;
    this.calls.delete(id);
    call.owner.calls.delete(id);
    this.#on(call.owner, (r) => {
      call.abort?.abort();
      if (r.done && r.calls.size === 0) this.#finish(r);
    });
    return SyncResult.OK;
  }

  // ---- what operations need of the instance

  /**
   * @param {Request} owner
   * @param {any} stream
   * @param {AbortController | null} abort
   */
  openHandle(owner, stream, abort) {
    return this.#handle(owner, stream, abort);
  }

  /**
   * A new owner in the same context as r.
   * @param {Request} r
   */
  openBackground(r) {
    return this.#admit(new Request(r.env, r.ctx, r.actor, false)).id;
  }
}

/** @param {any} e */
function errorMeta(e) {
  if (e instanceof OperationError) return e.code + "\n" + e.message;
  return Code.Internal + "\n" + String(e?.message ?? e).replace(/[\r\n]+/g, " ");
}

/**
 * @param {number} level
 * @param {string} line
 */
function log(level, line) {
  if (level >= 8) console.error(line);
  else if (level >= 4) console.warn(line);
  else if (level >= 0) console.log(line);
  else console.debug(line);
}
