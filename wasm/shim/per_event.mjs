import "../../build/wasm_exec.js";

/** @import { Env } from "./owner.mjs" */

/**
 * Runs the module once for one event, as github.com/syumai/workers means it: a new instance, which meets JavaScript values and
 * not docs/host-abi.md. The program registers its handlers on `binding` and says ready.
 *
 * @param {WebAssembly.Module} module
 * @param {"runScheduler" | "handleRequest"} handler
 * @param {unknown} event
 * @param {Env} env
 * @param {ExecutionContext} ctx
 */
export async function perEvent(module, handler, event, env, ctx) {
  /** @type {Record<string, (event: unknown) => Promise<any>>} */
  const binding = {};
  const go = new Go();
  const ready = Promise.withResolvers();
  const ended = Promise.withResolvers();
  go.exit = (status) => ended.reject(new Error(`the program exited with status ${status}`));
  const instance = new WebAssembly.Instance(module, {
    ...go.importObject,
    workers: { ready: () => ready.resolve(undefined) },
    // Answers 0 to everything: no resident lifecycle here.
    grantway: new Proxy({}, { get: () => () => 0 }),
  });
  // The program reads it while it starts, which is synchronous.
  const before = globalThis.context;
  globalThis.context = { env: { ...env, GRANTWAY_HOST: "workerd" }, ctx, binding };
  try {
    go.run(instance).catch(ended.reject);
  } finally {
    globalThis.context = before;
  }
  await Promise.race([ready.promise, ended.promise]);
  return Promise.race([binding[handler](event), ended.promise]);
}
