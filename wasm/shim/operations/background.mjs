/** @import { Operation, Reply } from "./table.mjs" */

/**
 * A new owner in the same context, alive until the guest says `done` for it. It outlives the response.
 *
 * @param {Operation} operation
 * @returns {Reply} n = its id
 */
export function background({ instance, owner }) {
  return { n: instance.adopt(owner.env, owner.ctx, owner.actor).id };
}
