import { NOTHING } from "./bytes.mjs";
import { KIND_FETCH, KIND_OBJECT } from "./codes.mjs";
import { Instance } from "./instance.mjs";
import { MAX_INLINE_BODY, RECYCLE_MEMORY } from "./limits.mjs";
import { problem } from "./problem.mjs";

/** @import { Actor, Context, Env } from "./owner.mjs" */

/**
 * The isolate's instance of one module. The first request starts it: Go cannot start outside of a request, where workerd
 * gives neither time nor random bytes.
 */
export class Gateway {
  /** @type {Instance | undefined} */
  #instance = undefined;
  #started = 0;

  /**
   * @param {WebAssembly.Module} module
   * @param {string} sha256 of the module, in hexadecimal
   */
  constructor(module, sha256) {
    this.module = module;
    this.sha256 = sha256;
  }

  /** What is open in the present instance, and how many there have been. */
  get state() {
    return {
      started: this.#started,
      served: this.#instance?.served ?? 0,
      memory: this.#instance?.memory ?? 0,
      ...this.#instance?.open,
    };
  }

  /**
   * Serves a request from outside.
   *
   * @param {Request} request
   * @param {Env} env
   * @param {Context} ctx
   */
  serve(request, env, ctx) {
    return this.#serve(KIND_FETCH, request, env, ctx);
  }

  /**
   * Serves a request to a Durable Object.
   *
   * @param {Request} request
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} actor
   */
  serveObject(request, env, ctx, actor) {
    return this.#serve(KIND_OBJECT, request, env, ctx, actor);
  }

  /**
   * @param {typeof KIND_FETCH | typeof KIND_OBJECT} kind
   * @param {Request} request
   * @param {Env} env
   * @param {Context} ctx
   * @param {Actor} [actor]
   */
  async #serve(kind, request, env, ctx, actor) {
    let body;
    try {
      body = await inlineBody(request);
    } catch {
      return problem(400, "body_incomplete", "The request's body ended early.");
    }
    return this.#healthy(env).serve(kind, request, body, env, ctx, actor);
  }

  /**
   * A new instance takes the place of one that is dead, torn or large. A large one goes on with the requests that it has.
   *
   * @param {Env} env
   */
  #healthy(env) {
    const present = this.#instance;
    if (present && !present.dead && !present.torn && present.memory <= RECYCLE_MEMORY) return present;
    this.#started++;
    return (this.#instance = new Instance(this.module, env, this.sha256));
  }
}

/**
 * The body, if it is declared to be small; null if it is to be read as a stream.
 *
 * @param {Request} request
 */
async function inlineBody(request) {
  if (!request.body) return NOTHING;
  const declared = request.headers.get("content-length");
  if (declared === null || !(Number(declared) <= MAX_INLINE_BODY)) return null;
  return new Uint8Array(await request.arrayBuffer());
}
