/**
 * Controls for the contract suite, under /__test/. They are in the entries of this folder only, which are never deployed.
 *
 *   POST /__test/clock?advance=MS           moves the clock; back if MS is negative
 *   PUT  /__test/fault/BINDING              sets a fault (the JSON of fault.mjs); DELETE clears it
 *   GET  /__test/kv/BINDING/KEY             the stored value, without faults
 *   POST /__test/reset/CLASS/NAME           resets a Durable Object
 *   ANY  /__test/broken/PATH                serves PATH with this body, after which the request breaks off. It announces the
 *                                           length that the header Broken-Content-Length names
 *   POST /__test/scheduled                  runs the cron trigger's work and answers when it has ended
 *   GET  /__test/state                      instances started, requests served, memory, what is open
 *
 * With service bindings named INSTANCE_… requests take turns between this instance and those. Clock and faults are set in all.
 */
import { advance } from "./clock.mjs";
import { setFault } from "./fault.mjs";
import { faultyKV } from "./faulty_kv.mjs";
import { faultyObjects } from "./faulty_objects.mjs";
import { faultyStorage } from "./faulty_storage.mjs";

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
    out = {
      ...env,
      CONFIG: faultyKV("CONFIG", env.CONFIG),
      TOKENS: faultyKV("TOKENS", env.TOKENS),
      DIRECTORY: faultyObjects("DIRECTORY", env.DIRECTORY),
      MINTER: faultyObjects("MINTER", env.MINTER),
    };
    environments.set(env, out);
  }
  return out;
}

/** Requests handed out so far. */
let turn = 0;

/** The other instances. @param {Env} env @returns {Fetcher[]} */
const others = (env) => Object.keys(env).flatMap((name) => (name.startsWith("INSTANCE_") ? [env[name]] : []));

/**
 * A request like this one whose body breaks off at its end.
 *
 * @param {Request} request
 * @param {URL} url
 */
function broken(request, url) {
  const headers = new Headers(request.headers);
  headers.set("Content-Length", headers.get("Broken-Content-Length") ?? "");
  headers.delete("Broken-Content-Length");
  const body = /** @type {ReadableStream<Uint8Array>} */ (request.body).pipeThrough(
    new TransformStream({
      flush() {
        throw new Error("the body breaks off");
      },
    }),
  );
  return new Request(url, { method: request.method, headers, body });
}

/** @param {any} a @param {any} b */
const added = (a, b) => Object.fromEntries(Object.keys(a).map((name) => [name, a[name] + (b[name] ?? 0)]));

/** @param {ReturnType<typeof makeWorker>} worker */
export function controlled({ gateway, handlers, Directory, Minter }) {
  return {
    Directory: resettable(Directory, "DIRECTORY"),
    Minter: resettable(Minter, "MINTER"),
    handlers: {
      /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
      fetch(request, env, ctx) {
        const url = new URL(request.url);
        if (url.pathname.startsWith(PREFIX)) return control(request, url, env, ctx);
        const rest = others(env);
        const next = turn++ % (rest.length + 1);
        if (next > 0) return rest[next - 1].fetch(request);
        return handlers.fetch(request, withFaults(env), ctx);
      },
      /** @param {ScheduledController} event @param {Env} env @param {ExecutionContext} ctx */
      scheduled: (event, env, ctx) => handlers.scheduled(event, env, ctx),
    },
  };

  /** @param {Request} request @param {URL} url @param {Env} env @param {ExecutionContext} ctx */
  async function control(request, url, env, ctx) {
    const [action, ...rest] = url.pathname.slice(PREFIX.length).split("/").map(decodeURIComponent);
    if (action === "clock" || action === "fault") {
      await Promise.all(others(env).map((other) => other.fetch(request.clone())));
    }
    switch (action) {
      case "clock":
        advance(Number(url.searchParams.get("advance")));
        return new Response(null, { status: 204 });
      case "fault":
        setFault(rest[0], request.method === "DELETE" ? null : await request.json());
        return new Response(null, { status: 204 });
      case "kv": {
        const value = await env[rest[0]].get(rest.slice(1).join("/"), "arrayBuffer");
        return new Response(value, { status: value ? 200 : 404 });
      }
      case "reset": {
        const namespace = env[rest[0]];
        const stub = namespace.get(namespace.idFromName(rest.slice(1).join("/")));
        await stub.fetch("https://object.invalid/", { headers: { [RESET]: "1" } }).catch(() => {});
        return new Response(null, { status: 204 });
      }
      case "scheduled":
        await handlers.scheduled({ cron: "* * * * *", scheduledTime: Date.now(), noRetry() {} }, env, ctx);
        return new Response(null, { status: 204 });
      case "broken":
        return handlers.fetch(
          broken(request, new URL(url.pathname.slice(`${PREFIX}broken`.length) + url.search, url)),
          withFaults(env),
          ctx,
        );
      case "state": {
        /** @type {any[]} */
        const states = [gateway.state];
        for (const other of others(env)) states.push(await (await other.fetch(request.clone())).json());
        return Response.json(states.reduce(added));
      }
      default:
        return new Response(null, { status: 404 });
    }
  }
}

/**
 * @template {ReturnType<typeof makeWorker>["Directory"]} T
 * @param {T} Class
 * @param {string} binding
 */
function resettable(Class, binding) {
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

    get storage() {
      return faultyStorage(binding, this.ctx.storage);
    }
  };
}
