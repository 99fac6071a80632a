import assert from "node:assert/strict";
import { test } from "node:test";
import { serveAssets } from "../assets.mjs";

/** The assets binding over a folder with these files, as html_handling "auto-trailing-slash" serves it. */
const folder = (files) => ({
  ASSETS: {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const content = files[pathname === "/" ? "/index.html" : pathname];
      return content === undefined
        ? new Response(null, { status: 404 })
        : new Response(content, { headers: { "X-Frame-Options": "SAMEORIGIN" } });
    },
  },
});

const env = folder({ "/index.html": "the app", "/assets/a-1.js": "js", "/favicon.svg": "svg" });
const get = (path, method = "GET") => serveAssets(new Request(`https://grantway.test${path}`, { method }), env);

test("only the UI's paths are served", () => {
  for (const path of ["/healthz", "/v1/mcp/server", "/mcp/x", "/.well-known/oauth-protected-resource", "/uix", "/index.html"]) {
    assert.equal(get(path), undefined, path);
  }
});

test("the UI's address is found from the root", async () => {
  for (const [path, status] of [
    ["/", 302],
    ["/ui", 301],
  ]) {
    const response = await get(path);
    assert.equal(response.status, status);
    assert.equal(response.headers.get("Location"), "/ui/");
  }
});

test("files, the application's own routes, and what is not there", async () => {
  for (const [path, status, text] of [
    ["/ui/", 200, "the app"],
    ["/ui/index.html", 200, "the app"],
    ["/ui/servers/new", 200, "the app"],
    ["/ui/assets/a-1.js", 200, "js"],
    ["/ui/favicon.svg", 200, "svg"],
    ["/ui/assets/gone.js", 404, ""],
    ["/ui/assets/gone", 404, ""],
    ["/ui/robots.txt", 404, ""],
  ]) {
    const response = await get(path);
    assert.equal(response.status, status, path);
    assert.equal(await response.text(), text, path);
    assert.match(response.headers.get("Content-Security-Policy"), /default-src 'self'/);
    assert.equal(response.headers.get("X-Frame-Options"), status === 200 ? "SAMEORIGIN" : "DENY", "the folder's own _headers win");
  }
  assert.match((await get("/ui/assets/a-1.js")).headers.get("Cache-Control"), /immutable/);
  assert.equal((await get("/ui/")).headers.get("Cache-Control"), "no-cache");
});

test("other methods are refused", async () => {
  assert.equal((await get("/ui/", "POST")).status, 405);
  assert.equal((await get("/ui/", "HEAD")).status, 200);
});
