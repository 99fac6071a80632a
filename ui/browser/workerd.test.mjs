// The UI on workerd, from its static assets: sign in, add a server, call a tool.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { keepViolations, watch } from "./watch.mjs";
import { startWorkerd } from "./workerd.mjs";
import { registerClient, signIn, startBrowser, startWorld } from "./world.mjs";

let world, gateway, browser;

before(async () => {
  world = await startWorld();
  gateway = await startWorkerd();
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
  await world?.stop();
});

test("from sign-in to a tool call on workerd", async () => {
  const client = await registerClient(world);
  const context = await browser.newContext({ reducedMotion: "reduce" });
  context.setDefaultTimeout(30_000);
  await context.addInitScript(keepViolations);
  const watcher = watch(context);
  const page = await context.newPage();
  await signIn(page, gateway);
  await page.getByRole("link", { name: "Add your first server" }).click();
  const main = page.getByRole("main");
  await main.getByRole("textbox", { name: "Server name" }).fill("Demo");
  await main.getByRole("textbox", { name: "URL" }).first().fill(world.mcp);
  await main.getByRole("button", { name: "Discover" }).click();
  await page.getByText("Found and filled in").waitFor();
  await main.getByRole("textbox", { name: "Client ID" }).fill(client.client_id);
  await main.getByRole("textbox", { name: "Client secret" }).fill(client.client_secret);
  await main.getByRole("button", { name: "Test token" }).click();
  await page.getByText("Token received").waitFor();
  await main.getByRole("button", { name: "Add server" }).click();
  await page.getByRole("button", { name: /^whoami/ }).click();
  await main.getByRole("button", { name: "Call tool" }).click();
  await page.getByText("Success").waitFor();
  await page.getByText(`You are ${client.client_id}.`).waitFor();
  // A page within the application, loaded by its address.
  await page.goto(`${gateway.url}/ui/about`);
  await page.getByText("workerd").first().waitFor();
  await watcher.look(page);
  assert.deepEqual(watcher.seen.violations, []);
  assert.deepEqual(watcher.seen.console, []);
});
