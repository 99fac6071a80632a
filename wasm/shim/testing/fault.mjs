/**
 * What goes wrong with a KV namespace or a Durable Object's storage, by binding: `fail` fails every operation, `full` only writes to a
 * storage, `delay` (ms) holds a KV operation back, `value` is read in the place of every value that is there. `op` and `key` narrow it
 * down to one operation or key prefix. With the op "call" it is requests to the objects that fail or are held back, and the key is the
 * prefix of their names.
 *
 * @typedef {{ op?: string; key?: string; fail?: boolean; full?: boolean; delay?: number; value?: string }} Fault
 */

/** @type {Map<string, Fault>} */
const faults = new Map();

/** @param {string} binding @param {Fault | null} fault */
export function setFault(binding, fault) {
  if (fault) faults.set(binding, fault);
  else faults.delete(binding);
}

/** The fault that an operation suffers. @param {string} binding @param {string} op @param {string} key */
export function faultOf(binding, op, key) {
  const fault = faults.get(binding);
  if (!fault || (fault.op ? fault.op !== op : op === "call") || (fault.key && !key.startsWith(fault.key))) return undefined;
  return fault;
}

/** The bytes of a fault's value. @param {string} value */
export const bytesOf = (value) => Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
