// The real thing for browser tests: hostsim with the built module and UI, the demo's authorization server and MCP
// server, and Chromium. Nothing is mocked.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The longest start: the first one compiles the module. */
const START_MS = 180_000;

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts the demo and answers where everything is. */
export async function startWorld() {
  for (const [out, pkg] of [
    ["build/hostsim", "./hostsim/cmd/hostsim"],
    ["build/demo", "./scripts/demo"],
  ]) {
    execFileSync("go", ["build", "-o", out, pkg], { cwd: root, stdio: "inherit" });
  }
  const data = mkdtempSync(join(tmpdir(), "grantway-ui-"));
  const port = await freePort();
  const demo = spawn(
    join(root, "build/demo"),
    [
      "--hostsim",
      "build/hostsim",
      "--module",
      "build/app.wasm",
      "--ui",
      "ui/dist",
      "--addr",
      `127.0.0.1:${port}`,
      "--data",
      join(data, "gateway"),
    ],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  demo.stderr.on("data", (chunk) => (output += chunk));
  const ended = new Promise((resolve) => demo.once("exit", resolve));
  const stop = async () => {
    demo.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the demo did not start:\n${output}`)), START_MS);
      demo.stdout.on("data", (chunk) => {
        output += chunk;
        if (/End with Ctrl-C/.test(output)) {
          clearTimeout(timer);
          resolve();
        }
      });
      void ended.then(() => reject(new Error(`the demo ended:\n${output}`)));
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const found = (pattern) => pattern.exec(output)?.[1];
  return {
    url: `http://127.0.0.1:${port}`,
    issuer: found(/Authorization server\s+(\S+)/),
    mcp: found(/MCP server\s+(\S+)/),
    adminKey: found(/(gw_[A-Z0-9]+)\s*\nEnd/),
    stop,
  };
}

/** A client of the demo's authorization server, registered as RFC 7591 has it. */
export async function registerClient(world, method = "client_secret_basic") {
  const response = await fetch(`${world.issuer}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: "browser test",
      grant_types: ["client_credentials"],
      token_endpoint_auth_method: method,
      scope: "mcp:read mcp:call",
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

export function startBrowser() {
  return chromium.launch({
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
}

/** Signs in as a person does. */
export async function signIn(page, world, key = world.adminKey) {
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("textbox", { name: "Access key" }).fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "MCP servers" }).waitFor();
}
