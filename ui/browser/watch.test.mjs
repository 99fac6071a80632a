// The watcher itself: a leak that is planted is found, wherever it is, and every browser test is watched.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { startBrowser } from "./world.mjs";

const here = new URL(".", import.meta.url);
const secret = "planted-secret-4711";
const token = `eyJ${"a".repeat(20)}.eyJ${"b".repeat(20)}.${"c".repeat(20)}`;

let site, address, browser, log;

before(async () => {
  // A page whose script, headers and answers are what its address says.
  site = createServer((request, response) => {
    const url = new URL(request.url, "http://site");
    if (url.searchParams.has("cookie")) response.setHeader("Set-Cookie", `seen=${url.searchParams.get("cookie")}`);
    if (url.pathname === "/leak.js") return response.setHeader("Content-Type", "text/javascript").end(script);
    if (url.pathname === "/answer") return response.end(answer);
    if (url.pathname === "/") return response.setHeader("Content-Type", "text/html").end(page);
    response.end("nothing");
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${site.address().port}`;
  browser = await startBrowser({ adminKey: "the-admin-key", sealingKey: "the-sealing-key", log: () => log });
});

after(async () => {
  await browser?.close();
  site?.close();
});

const page = '<!doctype html><html lang="en"><title>t</title><body><script src="/leak.js"></script></body></html>';
let script, answer;

/** What the watcher finds in a page that runs this script. */
async function found(code, { answers = "", allowed = [] } = {}) {
  [script, answer] = [`(async () => { ${code}; document.body.dataset.done = "yes"; })()`, answers];
  const context = await browser.newContext();
  const watcher = browser.watchers.at(-1);
  watcher.secret(secret, ...allowed);
  const p = await context.newPage();
  await p.goto(address);
  await p.locator("body[data-done]").waitFor({ state: "attached" });
  // The script is an answer itself.
  const leaks = (await watcher.leaks()).filter((l) => !l.includes("/leak.js"));
  await context.close();
  browser.watchers.splice(browser.watchers.indexOf(watcher), 1);
  return { leaks, seen: watcher.seen };
}

for (const [where, code, place, options] of [
  ["an element", `document.body.append("${secret}")`, "dom"],
  [
    "an element that is gone at once",
    `document.body.append("${secret}"); setTimeout(() => document.body.lastChild.remove(), 1)`,
    "dom",
  ],
  ["an attribute", `document.body.title = "${secret}"`, "dom"],
  [
    "text that changes",
    `document.body.append("x"); queueMicrotask(() => setTimeout(() => document.body.lastChild.data = "${secret}"))`,
    "dom",
  ],
  ["a field", `document.body.innerHTML = "<input>"; document.querySelector("input").value = "${secret}"`, "fields"],
  ["local storage", `localStorage.x = "${secret}"`, "storage"],
  ["session storage", `sessionStorage.x = "${secret}"`, "storage"],
  ["a cookie that scripts read", `document.cookie = "x=${secret}"`, "cookies"],
  ["the console", `console.debug("${secret}")`, "console"],
  ["an address", `await fetch("/x?key=${secret}")`, "address of GET /x"],
  ["a body", `await fetch("/x", { method: "POST", body: "a ${secret} b" })`, "body of POST /x"],
  ["a header of a request", `await fetch("/x", { headers: { "X-Y": "${secret}" } })`, "header x-y of GET /x"],
  [
    "a header of an answer",
    `await fetch("/x?cookie=a"); await fetch("/x")`,
    "header cookie of GET /x",
    { secret: "seen=a" },
  ],
  [
    "an answer",
    `await fetch("/answer").then((r) => r.text())`,
    "answer to GET /answer",
    { answers: `{"a":"${secret}"}` },
  ],
  [
    "a frame",
    `document.body.append(Object.assign(document.createElement("iframe"), { srcdoc: "<p>${secret}" }))`,
    "dom",
  ],
]) {
  test(`a secret in ${where} is found`, async () => {
    if (options?.secret) {
      const { seen } = await found(code);
      assert.ok([...(seen.texts.get(place) ?? [])].join().includes(options.secret));
      return;
    }
    const { leaks } = await found(code, options);
    assert.ok(leaks.includes(`${secret.slice(0, 8)}… in ${place}`), `${place} is not in ${leaks.join("; ")}`);
  });
}

test("what has the form of a secret is found although nobody named it", async () => {
  for (const value of [
    token,
    `gw_${"Ab1".repeat(10)}`,
    `cs-${"A2".repeat(13)}`,
    `rt-${"B3".repeat(13)}`,
    `-----BEGIN PRIVATE KEY-----\\n${"M".repeat(40)}`,
    `AGE-SECRET-KEY-1${"Q".repeat(40)}`,
  ]) {
    const { leaks } = await found(`document.body.append("see ${value}")`);
    assert.equal(leaks.filter((l) => l.endsWith(" in dom")).length, 1, `${value} was not found`);
  }
});

test("a code verifier is found by its challenge", async () => {
  const verifier = "Verifier-of-the-test_0123456789.abcdefghijk~ABC";
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const { leaks } = await found(
    `await fetch("/authorize?code_challenge=${challenge}"); localStorage.x = '{"v":"${verifier}"}'`,
  );
  assert.deepEqual(leaks, [`${verifier.slice(0, 8)}… in storage (a code verifier)`]);
});

test("a secret is no leak where it is set, and only there", async () => {
  const code = `await fetch("/keys", { method: "POST", body: "${secret}" }); await fetch("/other", { method: "POST", body: "${secret}" })`;
  const { leaks } = await found(code, { allowed: ["body of POST /keys"] });
  assert.deepEqual(leaks, [`${secret.slice(0, 8)}… in body of POST /other`]);
});

test("output on the console and in the gateway's log, and a breach of the policy, are told", async () => {
  const context = await browser.newContext();
  const watcher = browser.watchers.at(-1);
  const p = await context.newPage();
  log = "";
  script = "";
  await p.goto(address);
  await browser.assertClean();
  log = "opened with the-sealing-key";
  await assert.rejects(browser.assertClean(), /in the gateway's log/);
  log = "";
  await p.evaluate(() => console.warn("careful"));
  await assert.rejects(browser.assertClean(), /careful/);
  watcher.seen.console.length = 0;
  await p.evaluate(() => {
    document.head.innerHTML = `<meta http-equiv="Content-Security-Policy" content="img-src 'none'">`;
    document.body.append(Object.assign(new Image(), { src: "/x.png" }));
  });
  await p.waitForFunction(() => new Promise((resolve) => setTimeout(() => resolve(true), 0)));
  await assert.rejects(browser.assertClean(), /img-src|Content Security Policy/);
  await context.close();
});

test("every browser test is run, is watched, and ends with the search", () => {
  const files = readdirSync(here).filter((f) => f.endsWith(".test.mjs"));
  const { scripts } = JSON.parse(readFileSync(new URL("../package.json", here), "utf8"));
  assert.match(scripts["test:browser"], / browser\/\*\.test\.mjs$/);
  for (const file of files) {
    const text = readFileSync(new URL(file, here), "utf8");
    assert.match(text, /import \{[^}]*\bstartBrowser\b[^}]*\} from "\.\/world\.mjs"/, `${file} has no watched browser`);
    if (file === "watch.test.mjs") continue;
    assert.doesNotMatch(text, /from "playwright/, `${file} has a browser of its own`);
    assert.match(text.split("\ntest(").at(-1), /assertClean\(\)/, `${file} does not end with the search`);
  }
});
