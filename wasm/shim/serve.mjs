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
   * @returns {Promise<Response> | Response}
   */
  #serve(kind, request, env, ctx, actor) {
    const serve = (/** @type {Uint8Array<ArrayBuffer> | null} */ body) =>
      this.#healthy(env).serve(kind, request, body, env, ctx, actor);
    if (!request.body) return serve(NOTHING);
    if (!(Number(request.headers.get("content-length") ?? NaN) <= MAX_INLINE_BODY)) return serve(null);
    return request.arrayBuffer().then(
      (bytes) => serve(new Uint8Array(bytes)),
      () => problem(400, "unreadable_body", "The request's body broke off."),
    );
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
