// What an administrator does, in a real browser against the real gateway, authorization server and MCP server.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

import { api, mcp, on, registerClient, session, signIn, startBrowser, startWorld, until } from "./world.mjs";

/** JavaScript of the first screen, under gzip. */
const FIRST_LOAD_BYTES = 250_000;

let world, browser, context, page, client, wrong, main, field, press, outcome;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  ({ main, field, press, outcome } = on(page));
  client = await registerClient(world);
  wrong = "a-wrong-secret-of-the-test";
  // While it is typed the secret is in the form's field, and in the requests that test or save it.
  for (const secret of [client.client_secret, wrong])
    browser.secret(
      secret,
      "body of POST /v1/mcp/server",
      "body of PUT /v1/mcp/server",
      "body of POST /mcp-rest/test/",
      "fields",
    );
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

test("the first load is small, and its policy is strict", async () => {
  const scripts = new Set();
  const note = (response) => {
    const path = new URL(response.url()).pathname;
    if (path.endsWith(".js")) scripts.add(path);
  };
  page.on("response", note);
  const response = await page.goto(`${world.url}/ui/`);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /script-src 'self';/);
  assert.match(policy, /style-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  await signIn(page, world);
  await page.getByRole("heading", { name: "No MCP servers yet" }).waitFor();
  page.off("response", note);
  const bytes = [...scripts].map(
    (s) => gzipSync(readFileSync(new URL(`../dist/${s.slice("/ui/".length)}`, import.meta.url))).length,
  );
  const total = bytes.reduce((sum, n) => sum + n, 0);
  assert.ok(total > 50_000 && total <= FIRST_LOAD_BYTES, `${total} bytes in ${bytes.length} scripts`);
});

test("the session is in an HttpOnly cookie", async () => {
  const cookie = await session(browser, context);
  assert.equal(cookie.httpOnly, true);
  assert.equal(cookie.sameSite, "Strict");
  const hours = (cookie.expires - Date.now() / 1000) / 3600;
  assert.ok(hours > 0 && hours <= 1, `it lasts ${hours} hours`);
});

test("from empty to a first tool call", async () => {
  await main.getByRole("link", { name: "Add your first server" }).click();
  await field("Server name").fill("Demo");
  await field("Slug").fill("demo");
  await field("URL").first().fill(world.mcp);
  await press("Discover");
  await page.getByText("Found and filled in").waitFor();
  assert.equal(await field("Token URL").inputValue(), `${world.issuer}/token`);
  await field("Client ID").fill(client.client_id);

  await page.getByRole("textbox", { name: "Client secret" }).fill(wrong);
  await press("Test token");
  await outcome().filter({ hasText: "No token" }).waitFor();
  await outcome().filter({ hasText: "invalid_client" }).waitFor();
  const refused = await outcome().innerText();
  assert.match(refused, /check client ID, secret/);

  await page.getByRole("textbox", { name: "Client secret" }).fill(client.client_secret);
  await field("Token URL").fill(`${world.issuer}/nothing-here`);
  await press("Test token");
  await outcome().filter({ hasText: "not a token endpoint" }).waitFor();

  await field("Token URL").fill("http://127.0.0.1:9/token");
  await press("Test token");
  await outcome().filter({ hasText: "Nothing answered at this token URL" }).waitFor();

  await field("Token URL").fill(`${world.issuer}/token`);
  await press("Test token");
  await outcome().filter({ hasText: "Token received" }).waitFor();
  assert.match(await outcome().innerText(), /Life (1 h|59 min|60 min).*mcp:read mcp:call/s);

  await press("Test connection");
  await outcome().filter({ hasText: "Connected" }).waitFor();
  assert.match(await outcome().last().innerText(), /8 tools: add, documents, echo/);

  await press("Add server");
  await page.getByRole("heading", { level: 1, name: "Demo", exact: true }).waitFor();
  await page.getByRole("button", { name: /^add/ }).click();
  await page.getByRole("textbox", { name: /^a/ }).fill("20");
  await page.getByRole("textbox", { name: /^b/ }).fill("22");
  await press("Call tool");
  await page.getByText("Success").waitFor();
  await main.locator("pre", { hasText: /^42$/ }).first().waitFor();
});

test("a dead MCP server is told apart from a token that is refused", async () => {
  await page.goto(`${world.url}/ui/servers/demo/edit`);
  await field("URL").first().fill("http://127.0.0.1:9/mcp");
  await page.getByRole("textbox", { name: "Client secret" }).fill(client.client_secret);
  await press("Test connection");
  await outcome().filter({ hasText: "Not connected" }).waitFor();
  const text = await outcome().innerText();
  assert.match(text, /MCP connected/);
  assert.doesNotMatch(text, /client ID/);
});

test("progress of a slow tool is shown live", async () => {
  await page.goto(`${world.url}/ui/servers/demo?tab=tools`);
  await leaveIfAsked();
  await page.getByRole("button", { name: /^slow/ }).click();
  await press("Call tool");
  await page.getByText(/Calling… step \d/).waitFor();
  await page.getByText("10 messages while it worked").waitFor();
});

/** A dialog of the browser or the page may ask about unsaved changes. */
async function leaveIfAsked() {
  await page.getByRole("heading", { level: 1, name: "Demo", exact: true }).waitFor();
}

test("editing keeps the secret; a new token URL asks for it again", async () => {
  await page.goto(`${world.url}/ui/servers/demo/edit`);
  assert.equal(await page.getByRole("textbox", { name: "Client secret" }).inputValue(), "");
  await field("Description").fill("Changed by the test.");
  await press("Save changes");
  await page.getByText("Changed by the test.").waitFor();
  const call = await api(world, "POST", "/mcp-rest/tools/call", { server_id: "demo", name: "whoami", arguments: {} });
  assert.equal(call.body.structuredContent.client_id, client.client_id);

  await page.goto(`${world.url}/ui/servers/demo/edit`);
  await field("Token URL").fill(`${world.issuer}/token?other=1`);
  await press("Save changes");
  await page.getByText("Enter the client secret again.").waitFor();
  // Nor does the gateway by itself send it elsewhere.
  const put = await api(world, "PUT", "/v1/mcp/server/demo", { token_url: `${world.issuer}/other` });
  assert.equal(put.status, 422);
  assert.equal(put.body.error.fields[0].code, "secret_required_again");
});

test("unsaved changes are not lost by accident", async () => {
  await page.goto(`${world.url}/ui/servers/demo/edit`);
  await field("Description").fill("Not to be lost");
  await page.getByRole("navigation").getByRole("link", { name: "Usage" }).click();
  const dialog = page.getByRole("dialog", { name: "Leave without saving?" });
  await press("Stay", dialog);
  assert.equal(await field("Description").inputValue(), "Not to be lost");
  await page.getByRole("navigation").getByRole("link", { name: "Usage" }).click();
  await press("Leave", dialog);
  await page.getByRole("heading", { level: 1, name: "Usage" }).waitFor();
});

test("a switch of the flow sends no stale field", async () => {
  await page.goto(`${world.url}/ui/servers/new`);
  await field("Server name").fill("Switched");
  await field("URL").first().fill(world.mcp);
  await field("Client ID").fill("m2m-client");
  await page.getByRole("textbox", { name: "Client secret" }).fill(wrong);
  await field("Audience").fill("https://audience.example");
  await page.getByRole("radio", { name: /Interactive \(PKCE\)/ }).click();
  assert.equal(await page.getByText("A person signs in once").count(), 1);
  await page.getByRole("radio", { name: /Machine-to-Machine/ }).click();
  await page.getByRole("combobox", { name: "Authentication", exact: true }).click();
  await page.getByRole("option", { name: "None" }).click();
  const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().endsWith("/v1/mcp/server"));
  await press("Add server");
  const body = (await sent).postDataJSON();
  for (const name of ["client_id", "audience", "oauth2_flow", "credentials", "token_endpoint_auth_method"]) {
    assert.equal(name in body, false, `${name} was sent`);
  }
  await page.getByRole("heading", { level: 1, name: "Switched" }).waitFor();
  await press("Delete…");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill("switched");
  await press("Delete server", dialog);
  await page.getByRole("heading", { level: 1, name: "MCP servers" }).waitFor();
});

test("messages of the gateway stand at their fields", async () => {
  await page.goto(`${world.url}/ui/servers/new`);
  await field("Server name").fill("Demo");
  await field("Slug").fill("demo");
  await field("URL").first().fill(world.mcp);
  await field("Client ID").fill("x");
  await page.getByRole("textbox", { name: "Client secret" }).fill("y");
  await press("Add server");
  await page.getByRole("alert").filter({ hasText: "request" }).or(main.locator("[id$=-error]")).first().waitFor();
  await main.getByRole("link", { name: "Cancel" }).click();
  await press("Leave", page.getByRole("dialog"));
});

let key;

test("a key made here calls /mcp, and a revoked one does not", async () => {
  await page.goto(`${world.url}/ui/keys`);
  await press("Create key");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Name" }).fill("browser-test");
  await dialog.getByRole("checkbox", { name: "Grant Demo" }).check();
  await press("Create key", dialog);
  key = await page.getByTestId("new-key").innerText();
  assert.match(key, /^gw_/);
  browser.secret(key, "answer to POST /v1/keys", "dom");
  await page.getByRole("tab", { name: "Cursor" }).click();
  await page.getByRole("tabpanel").getByText("/mcp/demo").waitFor();
  await press("I have copied it", page.getByRole("dialog"));
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.ok(!(await page.content()).includes(key), "it is shown once");

  // By MCP itself, as an agent does.
  const tools = await mcp(world, "demo", "tools/list", undefined, key);
  assert.equal(tools.status, 200);
  assert.deepEqual(tools.body.result.tools.map((t) => t.name).sort(), [
    "add",
    "documents",
    "echo",
    "fail",
    "picture",
    "slow",
    "sound",
    "whoami",
  ]);
  const call = () => mcp(world, "demo", "tools/call", { name: "add", arguments: { a: 20, b: 22 } }, key);
  assert.equal((await call()).body.result.structuredContent.sum, 42);
  assert.equal((await mcp(world, "other", "tools/list", undefined, key)).status, 404, "what it was not granted");

  await page.getByRole("button", { name: "Actions for the key browser-test" }).click();
  await page.getByRole("menuitem", { name: "Revoke…" }).click();
  await press("Revoke key", page.getByRole("dialog"));
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await until(call, (answer) => answer.status !== 200)).status, 401);
});

test("only ticked tools may be called, and nothing ticked is nothing", async () => {
  await page.goto(`${world.url}/ui/servers/demo?tab=tools`);
  await page.getByRole("switch", { name: "Allow every tool" }).uncheck();
  await press("Untick all");
  await page.getByText("Nothing is ticked, so nothing is allowed").waitFor();
  await press("Save tools");
  await page.getByText("The tools were saved.").waitFor();
  const call = () =>
    api(world, "POST", "/mcp-rest/tools/call", { server_id: "demo", name: "echo", arguments: { message: "x" } });
  assert.equal((await until(call, (answer) => answer.status !== 200)).status, 403);
  await page.reload();
  await page.getByText("0 of 8 allowed").waitFor();
  await page.getByRole("switch", { name: "Allow every tool" }).check();
  await press("Save tools");
  await page.getByText("8 of 8 allowed").waitFor();
});

test("refresh and purge of the token, with its timeline", async () => {
  await page.goto(`${world.url}/ui/servers/demo?tab=token`);
  await press("Refresh…");
  await press("Refresh token", page.getByRole("dialog"));
  await page.getByText("A new token was fetched.").waitFor();
  await press("Purge…");
  await press("Purge token", page.getByRole("dialog"));
  await page.getByText("None yet").waitFor();
  await page.getByText("Token purged").first().waitFor();
  await press("Explain the next call");
  await page.getByText("The next call would fetch a new token first.").waitFor();
});

test("an ended session asks to sign in again, and keeps what was entered", async () => {
  await page.goto(`${world.url}/ui/servers/demo/edit`);
  await field("Description").fill("Entered before the session ended");
  await context.clearCookies();
  await press("Save changes");
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  await dialog.getByRole("textbox", { name: "Access key" }).fill(world.adminKey);
  await press("Sign in", dialog);
  await dialog.waitFor({ state: "detached" });
  assert.equal(await field("Description").inputValue(), "Entered before the session ended");
  await press("Save changes");
  await page.getByText("Entered before the session ended").waitFor();
});

test("a viewer sees and cannot change", async () => {
  const made = await api(world, "POST", "/v1/keys", { name: "viewer", role: "viewer" });
  browser.secret(made.body.key, "body of POST /v1/session", "fields");
  const other = await browser.newContext();
  try {
    const visitor = await other.newPage();
    await signIn(visitor, world, made.body.key);
    await visitor.getByRole("link", { name: "Demo", exact: true }).waitFor();
    assert.equal(await visitor.getByRole("link", { name: "Add server" }).count(), 0);
    await visitor.goto(`${world.url}/ui/servers/demo`);
    await visitor.getByRole("heading", { level: 1, name: "Demo", exact: true }).waitFor();
    for (const name of ["Edit", "Delete…", "Disable"])
      assert.equal(await visitor.getByRole("button", { name }).count(), 0, name);
    const status = await visitor.evaluate(async () => {
      const headers = { "X-Grantway-CSRF": "1", "Content-Type": "application/json" };
      return (await fetch("/v1/mcp/server/demo", { method: "PUT", headers, body: '{"description":"no"}' })).status;
    });
    assert.equal(status, 403);
  } finally {
    await other.close();
  }
});

test("the keyboard reaches the content and the main action", async () => {
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("heading", { level: 1, name: "MCP servers" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Import");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Add a server" }).waitFor();
});

test("signing out everywhere ends the session", async () => {
  await page.goto(`${world.url}/ui/about`);
  await page.getByRole("button", { name: /Administrator/ }).click();
  await page.getByRole("menuitem", { name: "Sign out everywhere" }).click();
  await page.getByRole("heading", { name: "Sign in to Grantway" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in to Grantway" }).waitFor();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
