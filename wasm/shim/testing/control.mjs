/**
 * Controls for the contract suite, under /__test/. They are in the entries of this folder only, which are never deployed.
 *
 *   POST /__test/clock?advance=MS           moves the clock forward
 *   PUT  /__test/fault/BINDING              sets a KV fault (the JSON of faulty_kv.mjs); DELETE clears it
 *   POST /__test/reset/CLASS/NAME           resets a Durable Object
 *   POST /__test/scheduled                  runs the cron trigger's work and answers when it has ended
 *   GET  /__test/state                      instances started, requests served, memory, what is open
 */
import { advance } from "./clock.mjs";
import { faultyKV, setFault } from "./faulty_kv.mjs";

/** @import { Env } from "../owner.mjs" */
/** @import { makeWorker } from "../entry.mjs" */

const PREFIX = "/__test/";
/** Tells an object to reset itself. */
const RESET = "grantway-internal-test-reset";

/** The namespaces of one environment, with faults. @type {WeakMap<object, Env>} */
const environments = new WeakMap();

/** @param {Env} env @returns {Env} */
function withFaults(env) {
  let out = environments.get(env);
  if (!out) {
    out = { ...env, CONFIG: faultyKV("CONFIG", env.CONFIG), TOKENS: faultyKV("TOKENS", env.TOKENS) };
    environments.set(env, out);
  }
  return out;
}

/** @param {ReturnType<typeof makeWorker>} worker */
export function controlled({ gateway, handlers, Directory, Minter }) {
  return {
    Directory: resettable(Directory),
    Minter: resettable(Minter),
    handlers: {
      /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
      fetch(request, env, ctx) {
        const url = new URL(request.url);
        if (url.pathname.startsWith(PREFIX)) return control(request, url, env, ctx);
        return handlers.fetch(request, withFaults(env), ctx);
      },
      /** @param {ScheduledController} event @param {Env} env @param {ExecutionContext} ctx */
      scheduled: (event, env, ctx) => handlers.scheduled(event, env, ctx),
    },
  };

  /** @param {Request} request @param {URL} url @param {Env} env @param {ExecutionContext} ctx */
  async function control(request, url, env, ctx) {
    const [action, ...rest] = url.pathname.slice(PREFIX.length).split("/").map(decodeURIComponent);
    switch (action) {
      case "clock":
        advance(Number(url.searchParams.get("advance")));
        return new Response(null, { status: 204 });
      case "fault":
        setFault(rest[0], request.method === "DELETE" ? null : await request.json());
        return new Response(null, { status: 204 });
      case "reset": {
        const namespace = env[rest[0]];
        const stub = namespace.get(namespace.idFromName(rest.slice(1).join("/")));
        await stub.fetch("https://object.invalid/", { headers: { [RESET]: "1" } }).catch(() => {});
        return new Response(null, { status: 204 });
      }
      case "scheduled":
        await handlers.scheduled({ cron: "* * * * *", scheduledTime: Date.now(), noRetry() {} }, env, ctx);
        return new Response(null, { status: 204 });
      case "state":
        return Response.json(gateway.state);
      default:
        return new Response(null, { status: 404 });
    }
  }
}

/**
 * @template {ReturnType<typeof makeWorker>["Directory"]} T
 * @param {T} Class
 */
function resettable(Class) {
  return class extends /** @type {any} */ (Class) {
    /** @param {any} ctx @param {Env} env */
    constructor(ctx, env) {
      super(ctx, withFaults(env));
    }

    /** @param {Request} request */
    fetch(request) {
      if (request.headers.has(RESET)) this.ctx.abort("reset by a test");
      return super.fetch(request);
    }
  };
}
