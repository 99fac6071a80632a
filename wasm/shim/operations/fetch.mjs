// Outbound HTTP, and requests to Durable Objects.

import { Code } from "../codes.mjs";
import { OperationError, hasControl, joinHeaders, parseHeaders } from "../encoding.mjs";

/** Tells a Durable Object its own name: only requests of this Worker reach it. */
export const OBJECT_HEADER = "grantway-internal-object";

/**
 * lines: method, target, URL, then headers; body: the request's. n: handle of the body.
 * @param {import("./index.mjs").Invocation} i
 * @returns {Promise<import("./index.mjs").Reply>}
 */
export async function fetchOut({ instance, request, call, lines, body }) {
  const [method, target, url] = lines;
  const abort = (call.abort = new AbortController());
  /** @type {any} */
  const init = { method, headers: parseHeaders(lines, 3), redirect: "manual", signal: abort.signal };
  if (body.length > 0) init.body = body;
  let response;
  try {
    response = target === "net" ? await fetch(url, init) : await toObject(request.env, target, url, init);
  } catch (e) {
    throw e instanceof OperationError ? e : new OperationError(networkCode(e, abort.signal), message(e));
  }
  const encoded = response.headers.has("content-encoding");
  const headers = [];
  for (const header of response.headers) {
    // The body that we hand on is decoded already.
    if (encoded && (header[0] === "content-encoding" || header[0] === "content-length")) continue;
    headers.push(/** @type {[string, string]} */ (header));
  }
  return {
    meta: joinHeaders(String(response.status), headers),
    n: response.body ? instance.openHandle(request, response.body, abort) : 0,
  };
}

/**
 * @param {any} env
 * @param {string} target CLASS/NAME
 * @param {string} url
 * @param {any} init
 */
async function toObject(env, target, url, init) {
  const slash = target.indexOf("/");
  const namespace = env[target.slice(0, slash)];
  const name = target.slice(slash + 1);
  if (typeof namespace?.idFromName !== "function") throw new OperationError(Code.NotFound, "no class " + target);
  if (!name || hasControl(name)) throw new OperationError(Code.Invalid, "object name");
  init.headers.push([OBJECT_HEADER, encodeURIComponent(name)]);
  const id = namespace.idFromName(name);
  try {
    return await namespace.get(id).fetch(url, init);
  } catch (e) {
    // The object was reset while it served us. A stub is broken after that: once more, on a new one.
    if (!(/** @type {any} */ (e)?.retryable) || /** @type {any} */ (e)?.overloaded || init.signal.aborted) throw e;
    return await namespace.get(id).fetch(url, init);
  }
}

/**
 * workerd tells few causes apart.
 * @param {any} e
 * @param {AbortSignal} signal
 */
function networkCode(e, signal) {
  if (signal.aborted) return Code.Canceled;
  if (e instanceof TypeError && /Invalid URL|Fetch API cannot load/.test(e.message)) return Code.Invalid;
  if (/DNS|getaddrinfo|resolve host/i.test(message(e))) return Code.DNS;
  if (/TLS|SSL|certificate/i.test(message(e))) return Code.TLS;
  if (/refused/i.test(message(e))) return Code.Refused;
  if (/reset|disconnected|connection lost/i.test(message(e))) return Code.Reset;
  return Code.Net;
}

/** @param {any} e */
const message = (e) => String(e?.message ?? e).replace(/[\r\n]+/g, " ");
