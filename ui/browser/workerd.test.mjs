// The UI on workerd, from its static assets: sign in, add an M2M server, test its token, call a tool, make a key, use it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startWorkerd } from "./workerd.mjs";
import { mcp, on, registerClient, session, signIn, startBrowser, startSurroundings, until } from "./world.mjs";

let around, gateway, browser;

before(async () => {
  [around, gateway] = await Promise.all([startSurroundings({ silent: true }), startWorkerd()]);
  browser = await startBrowser(gateway);
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
  await around?.stop();
});

test("from sign-in to a tool call, and a key that calls /mcp", async () => {
  const client = await registerClient(around);
  browser.secret(client.client_secret, "body of POST /v1/mcp/server", "body of POST /mcp-rest/test/token", "fields");
  const context = await browser.newContext();
  const page = await context.newPage();
  const { main, field, press, secret, dialog } = on(page);
  await signIn(page, gateway);
  await session(browser, context);
  await page.getByRole("link", { name: "Add your first server" }).click();
  await field("Server name").fill("Demo");
  await field("URL").first().fill(around.mcp);
  await press("Discover");
  await page.getByText("Found and filled in").waitFor();
  await page.getByRole("radio", { name: /Machine-to-Machine/ }).click();
  await field("Client ID").fill(client.client_id);
  await secret("Client secret").fill(client.client_secret);
  await press("Test token");
  await page.getByText("Token received").waitFor();
  await press("Add server");
  await page.getByRole("button", { name: /^whoami/ }).click();
  await press("Call tool");
  await page.getByText("Success").waitFor();
  await page.getByText(`You are ${client.client_id}.`).waitFor();

  await page.getByRole("navigation").getByRole("link", { name: "Access keys" }).click();
  await page
    .getByRole("button", { name: /^Create (key|the first key)$/ })
    .first()
    .click();
  await dialog().getByRole("textbox", { name: "Name" }).fill("agent");
  await dialog().getByRole("checkbox", { name: "Grant Demo" }).check();
  await press("Create key", dialog());
  const key = await page.getByTestId("new-key").innerText();
  browser.secret(key, "answer to POST /v1/keys", "dom");
  await press("I have copied it", dialog());
  const call = () => mcp(gateway, "demo", "tools/call", { name: "whoami", arguments: {} }, key);
  const answer = await until(call, (a) => a.status === 200);
  assert.equal(answer.body.result.structuredContent.client_id, client.client_id);

  // A page within the application, loaded by its address.
  await page.goto(`${gateway.url}/ui/about`);
  await main.getByText("workerd").first().waitFor();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
