import { serveAssets } from "./assets.mjs";
import { objectClass } from "./durable_object.mjs";
import { perEvent } from "./per_event.mjs";
import { Gateway } from "./serve.mjs";

/** @import { Env } from "./owner.mjs" */

/**
 * Makes what a Worker exports from a module: its handlers and its Durable Object classes.
 *
 * @param {WebAssembly.Module} module
 * @param {string} sha256 of the module, in hexadecimal
 */
export function makeWorker(module, sha256) {
  const gateway = new Gateway(module, sha256);
  return {
    gateway,
    Directory: objectClass(gateway, "DIRECTORY"),
    Minter: objectClass(gateway, "MINTER"),
    handlers: {
      /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
      fetch(request, env, ctx) {
        return serveAssets(request, env) ?? gateway.serve(request, env, ctx);
      },

      /** @param {ScheduledController} event @param {Env} env @param {ExecutionContext} ctx */
      scheduled(event, env, ctx) {
        return perEvent(module, "runScheduler", event, env, ctx);
      },
    },
  };
}
