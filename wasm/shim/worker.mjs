/** The Worker: `main` of wrangler.toml. */
import module from "../../build/app.wasm";
import { MODULE_SHA256 } from "../../build/module.mjs";
import { serveAssets } from "./assets.mjs";
import { objectClass } from "./durable_object.mjs";
import { perEvent } from "./per_event.mjs";
import { Gateway } from "./serve.mjs";

/** @import { Env } from "./owner.mjs" */

const gateway = new Gateway(module, MODULE_SHA256);

export const Directory = objectClass(gateway, "DIRECTORY");
export const Minter = objectClass(gateway, "MINTER");

export default {
  /** @param {Request} request @param {Env} env @param {ExecutionContext} ctx */
  fetch(request, env, ctx) {
    return serveAssets(request, env) ?? gateway.serve(request, env, ctx);
  },

  /** @param {ScheduledController} event @param {Env} env @param {ExecutionContext} ctx */
  scheduled(event, env, ctx) {
    return perEvent(module, "runScheduler", event, env, ctx);
  },
};
