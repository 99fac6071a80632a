// Import with its dry run, and export with and without secrets.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { api, mcp, on, registerClient, session, signIn, startBrowser, startWorld, until } from "./world.mjs";

let world, browser, page, main, field, press, client;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  // As LiteLLM authenticates.
  client = await registerClient(world, { token_endpoint_auth_method: "client_secret_post" });
  // The file of an import holds what it holds.
  browser.secret(client.client_secret, "fields", "body of POST /v1/import");
  browser.secret(world.credentials.api_key.value, "fields", "body of POST /v1/import");
  const context = await browser.newContext({ acceptDownloads: true });
  page = await context.newPage();
  ({ main, field, press } = on(page));
  await signIn(page, world);
  await session(browser, context);
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

const servers = async () => (await api(world, "GET", "/v1/mcp/server")).body.map((s) => s.slug).sort();

/** Every instance of the gateway knows of a change within seconds. */
async function serversAre(slugs) {
  assert.deepEqual(await until(servers, (s) => s.join() === slugs.join()), slugs);
}

async function show(text) {
  await page.goto(`${world.url}/ui/transfer`);
  await field("Configuration").fill(text);
  await press("Show what would change");
  const list = main.getByRole("list", { name: "What would change" });
  await list.waitFor();
  return list;
}

async function apply() {
  await main.getByRole("button", { name: /^Import \d+ changes?$/ }).click();
  await main.getByRole("list", { name: "What was imported" }).waitFor();
}

test("LiteLLM's configuration: shown, then applied, then a tool is called", async () => {
  const list = await show(`mcp_servers:
  from_litellm:
    url: ${world.mcp}
    transport: http
    auth_type: oauth2
    oauth2_flow: client_credentials
    token_url: ${world.issuer}/token
    client_id: ${client.client_id}
    client_secret: ${client.client_secret}
    scopes: ["mcp:read", "mcp:call"]
    audience: ${world.mcp}
`);
  await list.getByText("from_litellm").first().waitFor();
  assert.ok(!(await list.innerText()).includes(client.client_secret));
  assert.deepEqual(await servers(), [], "nothing is changed by looking");
  await apply();
  await serversAre(["from_litellm"]);
  await page.goto(`${world.url}/ui/servers/from_litellm?tab=tools`);
  await main.getByRole("button", { name: /^whoami/ }).click();
  await press("Call tool");
  await page.getByText(`You are ${client.client_id}.`).waitFor();
});

test("a second import shows what differs, and what is not valid changes nothing", async () => {
  const list = await show(`mcp_servers:
  from_litellm:
    url: ${world.mcp}
    transport: http
    description: Told by the second file
    auth_type: oauth2
    oauth2_flow: client_credentials
    token_url: ${world.issuer}/token
    client_id: ${client.client_id}
    client_secret: ${client.client_secret}
`);
  await list.locator("ins", { hasText: "Told by the second file" }).waitFor();

  await field("Configuration").fill("mcp_servers: [not, a, mapping");
  await press("Show what would change");
  await main.getByText("Nothing can be imported until this is mended").waitFor();
  await serversAre(["from_litellm"]);
  const { body } = await api(world, "GET", "/v1/mcp/server/from_litellm");
  assert.ok(!body.description);
});

test("mcpServers in JSON: shown, then applied, then called", async () => {
  const [name, value] = world.credentials.api_key.header;
  const list = await show(
    JSON.stringify({ mcpServers: { desktop: { type: "http", url: world.mcp, headers: { [name]: value } } } }, null, 2),
  );
  await list.getByText("desktop").first().waitFor();
  assert.ok(!(await list.innerText()).includes(value));
  await apply();
  await serversAre(["desktop", "from_litellm"]);
  const answer = await mcp(world, "desktop", "tools/call", { name: "whoami", arguments: {} }, world.adminKey);
  assert.equal(answer.body.result.structuredContent.client_id, name);
});

async function saved(button) {
  const download = page.waitForEvent("download");
  await press(button);
  const file = await download;
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

test("an export without secrets holds none, and can be read again", async () => {
  await page.goto(`${world.url}/ui/transfer`);
  for (const format of ["YAML", "JSON"]) {
    await main.getByText(format, { exact: true }).click();
    const { name, bytes } = await saved("Export without secrets");
    assert.equal(name, `grantway.${format.toLowerCase()}`);
    const text = bytes.toString();
    assert.match(text, /from_litellm/);
    for (const secret of [client.client_secret, world.credentials.api_key.value, world.adminKey])
      assert.ok(!text.includes(secret));
  }
});

test("an export with secrets is for the owner of the age key alone", async () => {
  await page.goto(`${world.url}/ui/transfer`);
  await main.getByText("JSON", { exact: true }).click();
  await field("Recipient").fill("nobody");
  await main.getByText("An age recipient begins with age1.").waitFor();
  await field("Recipient").fill(world.recipient);
  const { name, bytes } = await saved("Export with secrets, encrypted");
  assert.equal(name, "grantway.json.age");
  assert.match(bytes.toString("latin1"), /^age-encryption\.org\/v1\n/);
  assert.ok(!bytes.includes(client.client_secret));
  const opened = await fetch(world.opener, { method: "POST", body: bytes });
  assert.equal(opened.status, 200);
  const text = await opened.text();
  for (const secret of [client.client_secret, world.credentials.api_key.value]) assert.ok(text.includes(secret));

  // Another gateway can be made of it.
  for (const slug of await servers()) await api(world, "DELETE", `/v1/mcp/server/${slug}`);
  const restored = await api(world, "POST", "/v1/import?dry_run=false", { document: text });
  assert.equal(restored.status, 200, JSON.stringify(restored.body));
  assert.equal(restored.body.applied, true, JSON.stringify(restored.body));
  await serversAre(["desktop", "from_litellm"]);
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
