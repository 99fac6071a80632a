/**
 * A new owner for calls that outlive the request, in the same context.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function background({ instance, request }) {
  return { n: instance.openBackground(request) };
}
