// What a caller does at the gateway's own pages, in a real browser: connect an account, and consent to an MCP client that
// does its own OAuth. The authorization server approves without asking.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { api, makeServer, startBrowser, startWorld } from "./world.mjs";

let world, browser, context, page, key, client;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  context = await browser.newContext();
  page = await context.newPage();
  await makeServer(world, {
    server_name: "Files",
    slug: "files",
    auth_type: "oauth2",
    oauth2_flow: "authorization_code",
  });
  key = (await api(world, "POST", "/v1/keys", { name: "alice", all_servers: true })).body.key;
  browser.secret(key, "body of POST /connect", "body of POST /files/authorize", "fields");
  client = createServer((request, response) => response.end("back at the application"));
  await new Promise((resolve) => client.listen(0, "127.0.0.1", resolve));
});

after(async () => {
  client?.close();
  await browser?.close();
  await world?.stop();
});

const listTools = async (credential) => {
  const response = await fetch(`${world.url}/mcp/files`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${credential}`,
      "Content-Type": "application/json",
      Accept: "application/json, text/event-stream",
      "MCP-Protocol-Version": "2025-11-25",
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
  await response.text();
  return response.status;
};

test("a caller connects and disconnects an account", async () => {
  assert.equal(await listTools(key), 403);
  await page.goto(`${world.url}/connect/files`);
  await page.getByLabel("Your Grantway access key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in as alice.").waitFor();
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByRole("heading", { name: "Connected" }).waitFor();
  assert.ok(page.url().startsWith(`${world.url}/callback?`));
  assert.equal(await listTools(key), 200);
  const cookies = await context.cookies();
  assert.ok(cookies.every((cookie) => cookie.httpOnly && !cookie.value.includes(key)));
  assert.ok(!cookies.some((cookie) => cookie.name.includes("flow")), "the flow's cookie is gone");
  await page.reload();
  await page.getByText("finished already").waitFor();

  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByText("not connected").waitFor();
  const connection = await api(world, "GET", "/v1/mcp/server/files/connection", undefined, key);
  assert.equal(connection.body.connected, false);
});

test("a caller consents to a client that does its own OAuth", async () => {
  const redirect = `http://127.0.0.1:${client.address().port}/cb`;
  const registered = await fetch(`${world.url}/files/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client_name: "Editor <b>", redirect_uris: [redirect] }),
  }).then((response) => response.json());
  const verifier = "v".repeat(64);
  const query = new URLSearchParams({
    response_type: "code",
    client_id: registered.client_id,
    redirect_uri: redirect,
    state: "s",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  await page.goto(`${world.url}/files/authorize?${query}`);
  await page.getByText("“Editor <b>” asks to use").waitFor();
  const typed = page.getByLabel("Your Grantway access key");
  if (await typed.isVisible()) await typed.fill(key);
  await page.getByRole("button", { name: "Allow" }).click();
  await page.waitForURL(`${redirect}?*`);
  const back = new URL(page.url());
  assert.equal(back.searchParams.get("state"), "s");
  assert.equal(back.searchParams.get("iss"), `${world.url}/files`);
  const token = await fetch(`${world.url}/files/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      client_id: registered.client_id,
      code: back.searchParams.get("code"),
      redirect_uri: redirect,
      code_verifier: verifier,
    }),
  }).then((response) => response.json());
  assert.equal(await listTools(token.access_token), 200);
});

test("a page that frames the gateway's shows nothing", async () => {
  const framing = await context.newPage();
  await framing.route("http://127.0.0.1:1/", (route) =>
    route.fulfill({ contentType: "text/html", body: `<iframe src="${world.url}/connect/files"></iframe>` }),
  );
  await framing.goto("http://127.0.0.1:1/");
  const frame = framing.frames()[1];
  await framing.waitForLoadState("networkidle");
  assert.equal(await frame.getByLabel("Your Grantway access key").count(), 0);
  await framing.close();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
