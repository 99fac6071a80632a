// The real thing for browser tests: hostsim with the built module and UI, the demo's authorization server and MCP
// server (scripts/browserworld), and Chromium. Nothing is mocked.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { watch } from "./watch.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The longest start: the first one compiles the module. */
const START_MS = 300_000;
/** The longest wait for something to appear on a page, on a machine that is busy with other things. */
export const PATIENCE_MS = 120_000;

/**
 * A port that is free, and that stays so until it is used: it is below those that systems give to who asks for any (from
 * 32768 on Linux, from 49152 elsewhere).
 */
async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    const free = await new Promise((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** Starts a program and waits until its output matches. */
async function start(name, args, ready, options = {}) {
  const child = spawn(join(root, "build", name), args, { cwd: root, stdio: ["pipe", "pipe", "pipe"], ...options });
  const program = { output: "" };
  const ended = new Promise((resolve) => child.once("exit", resolve));
  program.stop = async () => {
    child.stdin.end();
    child.kill("SIGTERM");
    await ended;
  };
  program.match = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} did not start:\n${program.output}`)), START_MS);
    const read = (chunk) => {
      program.output += chunk;
      const match = ready.exec(program.output);
      if (!match) return;
      clearTimeout(timer);
      resolve(match);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    void ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`${name} ended:\n${program.output}`));
    });
  });
  return program;
}

/** A key as GRANTWAY_SEALING_KEY has it. */
export const newSealingKey = () => randomBytes(32).toString("base64");

/**
 * Starts what is around a gateway: { issuer, mcp, https, recipient, opener, credentials, stop }.
 * credentials are headers that the MCP server accepts in place of a token.
 */
export async function startSurroundings({ gateway = "http://127.0.0.1:1", silent = false } = {}) {
  execFileSync("go", ["build", "-o", "build/browserworld", "./scripts/browserworld"], { cwd: root, stdio: "inherit" });
  const secret = () => randomBytes(18).toString("hex");
  const basic = `tester:${secret()}`;
  const credentials = {
    basic: { value: basic, header: ["Authorization", `Basic ${Buffer.from(basic).toString("base64")}`] },
    api_key: { header: ["X-API-Key", secret()] },
    own: { header: ["X-Demo-Key", secret()] },
  };
  for (const c of Object.values(credentials)) c.value ??= c.header[1];
  const accept = Object.values(credentials).flatMap((c) => ["--accept", c.header.join(": ")]);
  const args = ["--gateway", gateway, ...(silent ? ["--silent"] : []), ...accept];
  const program = await start("browserworld", args, /^\{.*\}$/m);
  return { ...JSON.parse(program.match[0]), credentials, stop: program.stop };
}

/**
 * Starts a gateway and what is around it.
 * env: more variables of the gateway; silent: the authorization server approves without asking.
 */
export async function startWorld({ env = {}, silent = false } = {}) {
  execFileSync("go", ["build", "-o", "build/hostsim", "./hostsim/cmd/hostsim"], { cwd: root, stdio: "inherit" });
  const data = mkdtempSync(join(tmpdir(), "grantway-ui-"));
  const address = `127.0.0.1:${await freePort()}`;
  const adminKey = `gw_${randomBytes(24).toString("hex")}`;
  const around = await startSurroundings({ gateway: `http://${address}`, silent });
  let gateway;
  const logs = [];
  const run = async (more) => {
    gateway = await start(
      "hostsim",
      ["serve", "--addr", address, "--data", data, "--module", "build/app.wasm", "--ui", "ui/dist"],
      /Grantway serves at/,
      { env: { ...process.env, GRANTWAY_ADMIN_KEY: adminKey, GRANTWAY_ALLOW_LOOPBACK: "true", ...more } },
    );
    logs.push(gateway);
  };
  const sealingKey = newSealingKey();
  const world = {
    ...around,
    url: `http://${address}`,
    adminKey,
    sealingKey,
    /** What the gateway wrote so far. */
    log: () => logs.map((l) => l.output).join("\n"),
    /** Ends the gateway and starts it again on the same data, with other variables. */
    async restart(more) {
      await gateway.stop();
      await run(more);
    },
    async stop() {
      await gateway?.stop();
      await around.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
  try {
    await run({ GRANTWAY_SEALING_KEY: sealingKey, ...(typeof env === "function" ? env(world) : env) });
  } catch (error) {
    await world.stop();
    throw error;
  }
  return world;
}

/** A client of the demo's authorization server, registered as RFC 7591 has it. */
export async function registerClient(world, metadata = {}) {
  const response = await fetch(`${world.issuer}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: "browser test",
      grant_types: ["client_credentials"],
      token_endpoint_auth_method: "client_secret_basic",
      scope: "mcp:read mcp:call",
      ...metadata,
    }),
  });
  if (!response.ok) throw new Error(`register: ${response.status} ${await response.text()}`);
  return response.json();
}

/** A request to the gateway with the admin key. */
export async function api(world, method, path, body, key = world.adminKey) {
  const response = await fetch(world.url + path, {
    method,
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text && response.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : text,
  };
}

/** A server at the gateway, made by the API. */
export async function makeServer(world, record) {
  const { status, body } = await api(world, "POST", "/v1/mcp/server", { transport: "http", url: world.mcp, ...record });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

/** Asks again and again, until it is true or PATIENCE_MS have passed; answers the last answer. */
export async function until(ask, wanted) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (wanted(answer) || Date.now() > deadline) return answer;
  }
}

/** Chromium, all of whose pages are watched for secrets. */
export async function startBrowser(world) {
  const chrome = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const watchers = [];
  const secrets = [];
  const browser = {
    /** provokes: what the test itself makes Chromium write on the console. */
    async newContext({ provokes, ...options } = {}) {
      const context = await chrome.newContext({ reducedMotion: "reduce", ignoreHTTPSErrors: true, ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      const watcher = watch(context, provokes);
      await watcher.ready;
      for (const s of secrets) watcher.secret(...s);
      watchers.push(watcher);
      return context;
    },
    /** A text that may be nowhere but in these places (watch.mjs). */
    secret(...s) {
      secrets.push(s);
      for (const w of watchers) w.secret(...s);
    },
    /** Nothing was written to the console, no policy was broken, no secret was seen, in any page nor in the gateway's log. */
    async assertClean() {
      assert.ok(watchers.length > 0);
      for (const w of watchers) {
        assert.deepEqual(await w.leaks(), []);
        assert.deepEqual(w.seen.console, []);
        if (!w.expectsViolations) assert.deepEqual([...new Set(w.seen.violations)], []);
      }
      for (const [value] of secrets)
        assert.ok(!world.log().includes(value), `${value.slice(0, 8)}… in the gateway's log`);
    },
    watchers,
    close: () => chrome.close(),
  };
  // The key is typed to sign in; the others never leave the gateway or the test.
  browser.secret(world.adminKey, "body of POST /v1/session", "fields");
  browser.secret(world.sealingKey);
  return browser;
}

/** Signs in as a person does. */
export async function signIn(page, world, key = world.adminKey) {
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("textbox", { name: "Access key" }).fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "MCP servers" }).waitFor();
}

/** Keeps the session's cookie, which is in the headers of requests and nowhere else, from being taken for a leak. */
export async function session(browser, context) {
  const cookies = (await context.cookies()).filter((c) => /grantway_session/.test(c.name));
  assert.equal(cookies.length, 1);
  browser.secret(cookies[0].value, "header cookie", "header set-cookie");
  return cookies[0];
}

/** The form's and page's parts, as a person finds them. */
export function on(page) {
  const main = page.getByRole("main");
  return {
    main,
    field: (name) => main.getByRole("textbox", { name }),
    secret: (name) => main.getByRole("textbox", { name, exact: true }),
    press: (name, from = main) => from.getByRole("button", { name, exact: true }).click(),
    dialog: (options) => page.getByRole("dialog", options),
    outcome: () => page.getByRole("region", { name: "Try it" }).getByRole("status"),
    heading: (name) => page.getByRole("heading", { level: 1, name, exact: true }),
    async choose(label, option) {
      await main.getByRole("combobox", { name: label, exact: true }).click();
      await page.getByRole("option", { name: option, exact: true }).click();
    },
  };
}

/** MCP's own protocol with an access key; modern, without a session (MCP 2026-07-28). */
export async function mcp(world, server, method, params, key) {
  const version = "2026-07-28";
  const name = params?.name === undefined ? {} : { "Mcp-Name": params.name };
  const response = await fetch(`${world.url}/mcp/${server}`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${key}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": version,
      "Mcp-Method": method,
      ...name,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          "io.modelcontextprotocol/protocolVersion": version,
          "io.modelcontextprotocol/clientInfo": { name: "browser-test", version: "1.0.0" },
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    }),
  });
  const text = await response.text();
  const data = response.headers.get("Content-Type")?.includes("event-stream")
    ? /^data: ?(\{.*)$/m.exec(text)?.[1]
    : text;
  return { status: response.status, body: data ? JSON.parse(data) : undefined };
}

/** Registers a client at the relay of a server and answers the path of its consent page. */
export async function consentPage(world, server) {
  const registered = await fetch(`${world.url}/${server}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client_name: "Editor", redirect_uris: ["http://127.0.0.1/cb"] }),
  }).then((response) => response.json());
  const query = new URLSearchParams({
    response_type: "code",
    client_id: registered.client_id,
    redirect_uri: "http://127.0.0.1/cb",
    state: "s",
    code_challenge: "c".repeat(43),
    code_challenge_method: "S256",
  });
  return `/${server}/authorize?${query}`;
}

/** What makes a gateway behind the TLS proxy know its own address. */
export const behindProxy = (world) => ({ GRANTWAY_PUBLIC_URL: world.https, GRANTWAY_TRUSTED_PROXIES: "127.0.0.1" });
