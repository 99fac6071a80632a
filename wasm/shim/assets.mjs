// The browser UI's static files, under /ui/. Everything else is Go's.

const PREFIX = "/ui/";

/**
 * @param {any} request
 * @param {any} env
 * @returns {Promise<Response> | null} null: not a path of the UI
 */
export function serveAssets(request, env) {
  const url = new URL(request.url);
  if (url.pathname === "/" || url.pathname === "/ui")
    return Promise.resolve(Response.redirect(url.origin + PREFIX, 302));
  if (!url.pathname.startsWith(PREFIX)) return null;
  if (request.method !== "GET" && request.method !== "HEAD") {
    return Promise.resolve(new Response(null, { status: 405, headers: { allow: "GET, HEAD" } }));
  }
  return file(request, env, url, url.pathname.slice(PREFIX.length - 1));
}

/**
 * @param {any} request
 * @param {any} env
 * @param {URL} url
 * @param {string} path within the folder
 */
async function file(request, env, url, path) {
  if (path !== "/") {
    const found = await env.ASSETS.fetch(new Request(new URL(path, url.origin), request));
    if (found.status !== 404) return found;
    // A path with a file's name is a file that is not there; any other is the application's own route.
    if (/\.[a-z0-9]+$/i.test(path)) return found;
  }
  return env.ASSETS.fetch(new Request(new URL("/index.html", url.origin), request));
}
