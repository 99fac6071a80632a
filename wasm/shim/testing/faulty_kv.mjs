import { bytesOf, faultOf } from "./fault.mjs";

/** When entries expire, in ms of the shifted clock: the real namespace does not know that clock. @type {Map<string, number>} */
const expiry = new Map();

/** @param {string} binding @param {string} op @param {string} key */
async function suffer(binding, op, key) {
  const fault = faultOf(binding, op, key);
  if (fault?.delay) await scheduler.wait(fault.delay);
  if (fault?.fail) throw new Error("KV failure injected by a test");
  return fault?.value === undefined ? undefined : bytesOf(fault.value).buffer;
}

/** @param {string} id */
const expired = (id) => (expiry.get(id) ?? Infinity) <= Date.now();

/**
 * A namespace with these faults, as far as the shim uses it.
 *
 * @param {string} binding
 * @param {KVNamespace} real
 */
export function faultyKV(binding, real) {
  return {
    /** @param {string} key @param {"arrayBuffer"} type */
    async getWithMetadata(key, type) {
      const replaced = await suffer(binding, "get", key);
      const found = await real.getWithMetadata(key, type);
      if (found.value === null || expired(`${binding}/${key}`)) return { ...found, value: null, metadata: null };
      return replaced ? { ...found, value: replaced } : found;
    },
    /** @param {string} key @param {Uint8Array<ArrayBuffer>} value @param {KVNamespacePutOptions} options */
    async put(key, value, options) {
      await suffer(binding, "put", key);
      const id = `${binding}/${key}`;
      if (options.expirationTtl) expiry.set(id, Date.now() + options.expirationTtl * 1000);
      else expiry.delete(id);
      await real.put(key, value, options);
    },
    /** @param {string} key */
    async delete(key) {
      await suffer(binding, "delete", key);
      await real.delete(key);
    },
    /** @param {KVNamespaceListOptions} options */
    async list(options) {
      await suffer(binding, "list", options.prefix ?? "");
      const page = await real.list(options);
      return { ...page, keys: page.keys.filter(({ name }) => !expired(`${binding}/${name}`)) };
    },
  };
}
