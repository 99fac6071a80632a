// What another site's page can do to a signed-in browser: nothing. And what the content security policy holds back.
// Another port of this machine is another origin of the same site, so that even SameSite=Strict cookies are sent;
// localhost is another site.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { api, consentPage, makeServer, session, signIn, startBrowser, startWorld, until } from "./world.mjs";

let world, browser, context, page, evil, origins, key;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  evil = createServer((request, response) =>
    response.setHeader("Content-Type", "text/html").end("<!doctype html><title>evil</title><body>"),
  );
  await new Promise((resolve) => evil.listen(0, "127.0.0.1", resolve));
  origins = ["127.0.0.1", "localhost"].map((host) => `http://${host}:${evil.address().port}`);
  await makeServer(world, {
    server_name: "Files",
    slug: "files",
    auth_type: "oauth2",
    oauth2_flow: "authorization_code",
  });
  await makeServer(world, { server_name: "Open", slug: "open", auth_type: "none" });
  key = (await api(world, "POST", "/v1/keys", { name: "alice", all_servers: true })).body;
  browser.secret(key.key, "body of POST /connect", "fields");
  context = await browser.newContext({
    provokes:
      /CORS policy|Content Security Policy|frame-ancestors|Refused to|net::ERR_|X-Frame-Options|Framing|was not explicitly set/,
  });
  page = await context.newPage();
  await signIn(page, world);
  await session(browser, context);
  await page.goto(`${world.url}/connect`);
  await page.getByLabel("Your Grantway access key").fill(key.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in as alice.").waitFor();
  const visit = (await context.cookies()).find((c) => c.name.includes("connect"));
  browser.secret(visit.value, "header cookie", "header set-cookie");
});

after(async () => {
  await browser?.close();
  evil?.close();
  await world?.stop();
});

/** Everything that can be changed, with ids that exist; and the forms of the gateway's own pages. */
async function changes() {
  const document = await fetch(`${world.url}/openapi.json`).then((response) => response.json());
  const found = [];
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of ["post", "put", "patch", "delete"])
      if (methods[method]) {
        const id = path.startsWith("/v1/keys/") ? key.id : "open";
        found.push([method.toUpperCase(), path.replace("{id}", id).replace("{server}", "open")]);
      }
  for (const path of ["/connect", "/connect/files", "/files/authorize"]) found.push(["POST", path]);
  return found;
}

/** What an attack would change. */
async function state() {
  const read = async (path) => (await api(world, "GET", path)).body;
  const keys = (await read("/v1/keys")).data ?? (await read("/v1/keys"));
  const { sealing, ...settings } = await read("/v1/settings");
  return JSON.stringify([
    await read("/v1/mcp/server"),
    keys.map((k) => ({ ...k, last_used_at: undefined })),
    settings,
    sealing.reseal,
    await read("/v1/settings/issuers"),
    await read("/v1/settings/sign-in"),
    await read("/v1/mcp/server/files/connection?shared=true"),
  ]);
}

test("no change can be made from another origin", async () => {
  const all = await changes();
  assert.ok(all.length > 30, `${all.length} changes`);
  const earlier = await state();
  const attacker = await context.newPage();
  for (const origin of origins) {
    await attacker.goto(origin);
    const answers = new Map();
    const cookies = new Map();
    const noted = [];
    const note = (response) => {
      const request = response.request();
      if (!request.url().startsWith(world.url)) return;
      const what = `${request.method()} ${new URL(request.url()).pathname}`;
      answers.set(what, [...(answers.get(what) ?? []), response.status()]);
      noted.push(
        request.allHeaders().then(
          (h) => cookies.set(what, h.cookie ?? ""),
          () => undefined,
        ),
      );
    };
    context.on("response", note);
    for (const [method, path] of all) {
      const url = world.url + path;
      const outcome = await attacker.evaluate(
        async ([m, u]) => {
          const body = '{"name":"x","server_name":"x","slug":"x","url":"https://evil.example/","role":"admin"}';
          const send = (init) =>
            fetch(u, { credentials: "include", ...init }).then(
              (r) => r.type,
              () => "refused",
            );
          if (m !== "POST") return [await send({ method: m, body: m === "DELETE" ? undefined : body })];
          // What needs no leave of the other origin: three kinds of bodies, and a form.
          const kinds = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
          const types = [];
          for (const type of kinds)
            types.push(await send({ method: "POST", mode: "no-cors", headers: { "Content-Type": type }, body }));
          types.push(
            await send({
              method: "POST",
              headers: { "X-Grantway-CSRF": "1", "Content-Type": "application/json" },
              body,
            }),
          );
          const frame = Object.assign(document.createElement("iframe"), { name: "target" });
          const form = Object.assign(document.createElement("form"), { method: "post", action: u, target: "target" });
          form.innerHTML = '<input name="action" value="connect"><input name="decision" value="allow">';
          document.body.replaceChildren(frame, form);
          const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
          form.submit();
          await loaded;
          return types;
        },
        [method, url],
      );
      const last = outcome.at(-1);
      assert.equal(last, "refused", `${method} ${path} from ${origin}: the browser was given leave`);
    }
    context.off("response", note);
    await Promise.all(noted);
    for (const [method, path] of all) {
      if (method !== "POST") continue;
      const what = `POST ${path}`;
      const statuses = answers.get(what) ?? [];
      assert.ok(statuses.length >= 3, `${what} from ${origin} was answered ${statuses.length} times`);
      assert.deepEqual(
        statuses.filter((s) => ![400, 401, 403, 415].includes(s)),
        [],
        `${what} from ${origin}`,
      );
      // The session is beside it where the browser sends it.
      if (origin === origins[0] && path.startsWith("/v1/")) assert.match(cookies.get(what), /grantway_session/);
    }
  }
  await attacker.close();
  assert.equal(await state(), earlier, "something was changed");
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("heading", { level: 1, name: "MCP servers" }).waitFor();
});

test("no page can be framed", async () => {
  const paths = [
    "/ui/",
    "/ui/keys",
    "/connect",
    "/connect/files",
    "/callback?state=x&code=y",
    await consentPage(world, "files"),
    "/signin",
    "/signin/callback?state=x",
  ];
  const framing = await context.newPage();
  for (const origin of origins) {
    await framing.goto(origin);
    for (const path of paths) {
      await framing.evaluate(async (src) => {
        const frame = document.createElement("iframe");
        const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
        frame.src = src;
        document.body.replaceChildren(frame);
        await loaded;
      }, world.url + path);
      const shown = await until(
        () =>
          framing
            .frames()
            .at(-1)
            .evaluate(() => location.href)
            .catch(() => "a document that is being replaced"),
        (href) => href.startsWith("chrome-error:"),
      );
      assert.match(shown, /^chrome-error:/, `${path} from ${origin}`);
    }
  }
  await framing.close();
});

test("the policy has no unsafe-inline, and holds back what is injected", async () => {
  for (const path of ["/ui/", "/connect"]) {
    const response = await page.goto(world.url + path);
    const policy = response.headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe/);
    const done = await page.evaluate(async () => {
      const broken = [];
      // Told last.
      const last = new Promise((resolve) => {
        document.addEventListener("securitypolicyviolation", (event) => {
          broken.push(event.effectiveDirective);
          if (event.effectiveDirective === "connect-src") resolve();
        });
      });
      document.body.insertAdjacentHTML(
        "beforeend",
        `<p id="styled" style="display: none">x</p><a id="link" href="javascript:window.injected = 1">x</a>`,
      );
      const script = document.createElement("script");
      script.textContent = "window.injected = 1";
      document.body.append(script);
      const style = document.createElement("style");
      style.textContent = "body { visibility: hidden }";
      document.head.append(style);
      const image = Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" });
      document.body.append(image);
      // In a task of its own: what the debugger runs may evaluate.
      const evaluated = await new Promise((resolve) =>
        setTimeout(() => {
          try {
            resolve(new Function("return true")());
          } catch {
            resolve(false);
          }
        }),
      );
      document.getElementById("link").click();
      const asked = await fetch("http://127.0.0.1:9/").then(
        () => true,
        () => false,
      );
      await last;
      return {
        broken,
        evaluated,
        asked,
        injected: window.injected ?? 0,
        hidden:
          getComputedStyle(document.getElementById("styled")).display === "none" ||
          getComputedStyle(document.body).visibility === "hidden",
      };
    });
    assert.deepEqual(
      { ...done, broken: [] },
      { broken: [], evaluated: false, asked: false, injected: 0, hidden: false },
      path,
    );
    for (const directive of ["script-src-elem", "style-src-elem", "style-src-attr", "connect-src"])
      assert.ok(done.broken.includes(directive), `${path}: ${directive} is not in ${done.broken}`);
  }
  for (const w of browser.watchers) w.expectsViolations = true;
});

test("no secret appeared, and nothing but the provoked was written to the console", () => browser.assertClean());
