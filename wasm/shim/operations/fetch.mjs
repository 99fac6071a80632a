import { clean, lines } from "../bytes.mjs";
import { parse, responseLines } from "../headers.mjs";
import { HostError } from "../host_error.mjs";

/** @import { Env } from "../owner.mjs" */
/** @import { Operation, Reply } from "./table.mjs" */

/**
 * Sends an HTTP request to the network or to a Durable Object. Meta: method, target ("net" or CLASS/NAME), URL, headers.
 *
 * @param {Operation} operation
 * @returns {Promise<Reply>} meta = status and headers; a stream if there is a body
 */
export async function outboundFetch({ owner, call, meta, body }) {
  const [method, target, url, headerLines] = lines(meta, 3);
  const controller = new AbortController();
  const request = outbound(method, url, headerLines, body, controller.signal);
  owner.aborts.set(call, () => controller.abort());
  const response = target === "net" ? await fetch(request()) : await fetchObject(owner.env, target, request);
  return fetched(response, method, controller);
}

/**
 * The reply for a response.
 *
 * @param {Response} response
 * @param {string | undefined} method of the request
 * @param {AbortController} [controller]
 * @returns {Reply}
 */
export function fetched(response, method, controller) {
  const reply = { meta: String(response.status) + responseLines(response.headers) };
  if (!response.body) return reply;
  if (method === "HEAD" || response.headers.get("content-length") === "0") {
    response.body.cancel().catch(() => {});
    return reply;
  }
  return { ...reply, stream: { body: response.body, controller } };
}

/**
 * Checks the parts of a request and answers a function that makes it, once per attempt.
 *
 * @param {string} method
 * @param {string} url
 * @param {string} headerLines
 * @param {Uint8Array<ArrayBuffer>} body
 * @param {AbortSignal} signal
 */
function outbound(method, url, headerLines, body, signal) {
  const parsed = URL.parse(url);
  if (parsed?.protocol !== "https:" && parsed?.protocol !== "http:") throw new HostError("invalid", "method or URL");
  try {
    const headers = parse(headerLines);
    headers.delete("host");
    headers.delete("content-length");
    const init = { method, headers, body: body.length > 0 ? body : null, redirect: /** @type {const} */ ("manual"), signal };
    new Request(url, init);
    return () => new Request(url, init);
  } catch {
    throw new HostError("invalid", "method, URL or header");
  }
}

/**
 * Sends a request to an object. One that was reset meanwhile is tried once more, since every caller would see that failure.
 *
 * @param {Env} env
 * @param {string} target CLASS/NAME
 * @param {() => Request} request
 * @returns {Promise<Response>}
 */
async function fetchObject(env, target, request) {
  const slash = target.indexOf("/");
  const name = target.slice(slash + 1);
  if (slash < 1 || name === "" || !clean(target)) throw new HostError("invalid", "target");
  const namespace = env[target.slice(0, slash)];
  if (typeof namespace?.idFromName !== "function") throw new HostError("notfound", "no such class");
  const id = namespace.idFromName(name);
  for (let attempt = 1; ; attempt++) {
    try {
      // A stub that has failed stays broken: each attempt gets its own.
      return await namespace.get(id).fetch(request());
    } catch (error) {
      const failure = /** @type {Error & { retryable?: boolean; overloaded?: boolean; durableObjectReset?: boolean }} */ (error);
      if (failure.overloaded) throw new HostError("limit", "the object is overloaded");
      if (attempt > 1 || !(failure.retryable || failure.durableObjectReset)) {
        throw new HostError("gone", String(failure.message).slice(0, 200));
      }
    }
  }
}
