/** @import { Env } from "./owner.mjs" */

/** The path under which the built UI is served. */
const PREFIX = "/ui/";

/** Sent where the folder's own file _headers says nothing; hostsim's are the same. @type {[string, string][]} */
const DEFAULT_HEADERS = [
  [
    "Content-Security-Policy",
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  ],
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Permissions-Policy", "camera=(), geolocation=(), microphone=()"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
];

/**
 * Serves the UI, a single-page application: a path within it that has no file of its own answers index.html, and no path outside
 * of it does.
 *
 * @param {Request} request
 * @param {Env} env
 * @returns {Promise<Response> | Response | undefined} undefined: the path is not the UI's
 */
export function serveAssets(request, env) {
  const path = request.url.indexOf("/", request.url.indexOf("://") + 3);
  if (path > 0 && !request.url.startsWith("/ui", path) && !/^\/?(?:[?#]|$)/.test(request.url.slice(path, path + 2)))
    return undefined;
  const url = new URL(request.url);
  if (url.pathname === "/") return redirect(url, 302);
  if (url.pathname === "/ui") return redirect(url, 301);
  if (!url.pathname.startsWith(PREFIX)) return undefined;
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response("Method not allowed.\n", { status: 405, headers: { Allow: "GET, HEAD" } });
  }
  if (!env.ASSETS) return new Response("The UI is not deployed.\n", { status: 404 });
  return serveFile(request, url, env.ASSETS);
}

/** @param {URL} from @param {number} status */
const redirect = (from, status) => new Response(null, { status, headers: { Location: PREFIX + from.search } });

/** @param {Request} request @param {URL} url @param {Fetcher} assets */
async function serveFile(request, url, assets) {
  const name = url.pathname.slice(PREFIX.length);
  const hashed = name.startsWith("assets/");
  const file = (/** @type {string} */ path) =>
    assets.fetch(new Request(new URL(path, url), { method: request.method, headers: request.headers }));
  // The folder's index.html answers at its root, which is where requests for it would be redirected to.
  let response = await file(name === "index.html" ? "/" : `/${name}`);
  if (response.status === 404 && !hashed && !/\.[^/]*$/.test(name)) response = await file("/");
  const headers = new Headers(response.headers);
  for (const [header, value] of DEFAULT_HEADERS) if (!headers.has(header)) headers.set(header, value);
  if (response.ok && !headers.get("cache-control")?.includes("immutable")) {
    headers.set("Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
  }
  return new Response(response.body, { status: response.status, headers });
}
