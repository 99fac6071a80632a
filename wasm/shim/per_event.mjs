// The per-event lifecycle: github.com/syumai/workers with a new instance per event, as its authors mean it.

import wasm from "../../build/app.wasm";
import "../../build/wasm_exec.js";

// syumai/workers calls JavaScript that may throw through this.
/** @type {any} */ (globalThis).tryCatch ??= (/** @type {() => unknown} */ f) => {
  try {
    return { result: f() };
  } catch (error) {
    return { error };
  }
};

/**
 * Runs the cron trigger's work.
 * @param {any} event
 * @param {any} env
 * @param {any} ctx
 */
export async function runScheduled(event, env, ctx) {
  /** @type {any} */
  const binding = {};
  const go = new Go();
  const ready = Promise.withResolvers();
  const imports = /** @type {any} */ ({
    ...go.importObject,
    workers: { ready: () => ready.resolve(undefined) },
    // Answers 0 to abi(): no resident host stands behind these.
    grantway: new Proxy({}, { get: () => () => 0 }),
  });
  const instance = new WebAssembly.Instance(wasm, imports);
  go.exit = (code) => ready.reject(new Error("the program ended with code " + code));
  const global = /** @type {any} */ (globalThis);
  const saved = global.context;
  // Read once, synchronously, while the program starts.
  global.context = { env, ctx, binding };
  try {
    void go.run(instance);
  } finally {
    global.context = saved;
  }
  await ready.promise;
  await binding.runScheduler(event);
}
