import { faultOf } from "./fault.mjs";

/**
 * A namespace of Durable Objects with these faults, as far as the shim uses it.
 *
 * @param {string} binding
 * @param {DurableObjectNamespace} real
 */
export function faultyObjects(binding, real) {
  return {
    /** @param {string} name */
    idFromName: (name) => real.idFromName(name),
    /** @param {DurableObjectId} id */
    get(id) {
      const stub = real.get(id);
      return {
        /** @param {Request} request */
        async fetch(request) {
          const fault = faultOf(binding, "call", id.name ?? "");
          if (fault?.delay) await scheduler.wait(fault.delay, { signal: request.signal });
          if (fault?.fail) throw new Error("failure of an object injected by a test");
          return stub.fetch(request);
        },
      };
    },
  };
}
