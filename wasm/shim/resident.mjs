// The resident lifecycle: which instance serves a request.

import { Instance, failed } from "./instance.mjs";
import wasm from "../../build/app.wasm";
import "../../build/wasm_exec.js";
import { MODULE_SHA256 } from "../../build/module.mjs";

// syumai/workers' packages read this when the program starts; a resident program never uses what is in it.
/** @type {any} */ (globalThis).context ??= { binding: {}, env: {}, ctx: {} };

/** @type {Instance | null} */
let active = null;
export const started = { instances: 0 };

/** @returns {Instance | null} the instance that serves now */
export const current = () => active;

/** @param {any} env */
function environment(env) {
  /** @type {Record<string, string>} */
  const variables = {};
  for (const [name, value] of Object.entries(env)) {
    if (typeof value === "string" && /^(GRANTWAY_|MCP_OAUTH2_)/.test(name)) variables[name] = value;
  }
  return { ...variables, GRANTWAY_HOST: "workerd", GRANTWAY_MODULE_SHA256: MODULE_SHA256 };
}

/**
 * Serves an event with the resident instance, a new one if the last has failed or grown too large.
 * @param {number} kind
 * @param {any} request
 * @param {any} env
 * @param {any} ctx
 * @param {{ name: string, storage: any } | null} [actor]
 */
export async function serve(kind, request, env, ctx, actor = null) {
  if (!active || active.spent) {
    active = new Instance(wasm, environment(env));
    started.instances++;
  }
  return active.dead ? failed() : active.serve(kind, request, env, ctx, actor);
}
