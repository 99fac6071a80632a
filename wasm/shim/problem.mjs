/**
 * An error that the shim answers in the place of the gateway, in the gateway's own shape.
 *
 * @param {number} status
 * @param {string} code stable, snake_case
 * @param {string} message for people
 * @param {string} [requestId]
 */
export function problem(status, code, message, requestId) {
  const id = requestId && /^[A-Za-z0-9_.-]{1,64}$/.test(requestId) ? requestId : crypto.randomUUID();
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store", "X-Request-Id": id };
  if (status === 503) headers["Retry-After"] = "1";
  return new Response(JSON.stringify({ error: { code, message, request_id: id } }), { status, headers });
}

/** What every pending request is answered when its instance has died. */
export const instanceFailed = () => problem(503, "instance_failed", "The instance that served this request ended. Try again.");
