import { bytesOf, faultOf } from "./fault.mjs";

/**
 * A Durable Object's storage with the faults of its class, as far as the shim uses it.
 *
 * @param {string} binding
 * @param {DurableObjectStorage} real
 */
export function faultyStorage(binding, real) {
  /** @param {string} op @param {string} key */
  const suffer = (op, key) => {
    const fault = faultOf(binding, op, key);
    if (fault?.fail) throw new Error("storage failure injected by a test");
    return fault;
  };
  /** @param {string} op @param {string} key */
  const write = (op, key) => {
    if (suffer(op, key)?.full) throw new Error("database or disk is full: SQLITE_FULL");
  };
  let inside = false;
  return {
    kv: {
      /** @param {string} key */
      get(key) {
        const value = inside ? undefined : suffer("get", key)?.value;
        return value === undefined ? real.kv.get(key) : bytesOf(value);
      },
      /** @param {string} key @param {unknown} value */
      put(key, value) {
        write("put", key);
        real.kv.put(key, value);
      },
      /** @param {string} key */
      delete: (key) => real.kv.delete(key),
      /** @param {SyncKvListOptions} options */
      list(options) {
        suffer("list", options.prefix ?? "");
        return real.kv.list(options);
      },
    },
    /** @param {() => boolean} transaction */
    transactionSync(transaction) {
      inside = true; // what a transaction expects is compared with the true value
      try {
        return real.transactionSync(transaction);
      } finally {
        inside = false;
      }
    },
    sync: () => real.sync(),
  };
}
