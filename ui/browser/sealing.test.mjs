// The sealing key is changed: what the old one sealed still works, and is sealed again in the UI until nothing needs it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  api,
  makeServer,
  newSealingKey,
  on,
  registerClient,
  session,
  signIn,
  startBrowser,
  startWorld,
  until,
} from "./world.mjs";

const SERVERS = 6;

let world, browser, context, page, main, press, dialog, next, clients;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  clients = [];
  for (let i = 0; i < SERVERS; i++) {
    const client = await registerClient(world);
    browser.secret(client.client_secret);
    clients.push(client);
    await makeServer(world, {
      server_name: `Server ${i}`,
      slug: `s${i}`,
      auth_type: "oauth2",
      oauth2_flow: "client_credentials",
      token_url: `${world.issuer}/token`,
      upstream_resource: "auto",
      credentials: { client_id: client.client_id, client_secret: client.client_secret },
    });
  }
  next = newSealingKey();
  browser.secret(next);
  context = await browser.newContext();
  page = await context.newPage();
  ({ main, press, dialog } = on(page));
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

const sealing = async () => (await api(world, "GET", "/v1/settings")).body.sealing;

const whoami = async (i) =>
  (await api(world, "POST", "/mcp-rest/tools/call", { server_id: `s${i}`, name: "whoami", arguments: {} })).body
    .structuredContent?.client_id;

let first;

test("with a new key, and the earlier one beside it, everything goes on", async () => {
  first = (await sealing()).current_key_id;
  await world.restart({ GRANTWAY_SEALING_KEY: next, GRANTWAY_SEALING_KEY_PREVIOUS: world.sealingKey });
  assert.equal(await whoami(0), clients[0].client_id);
  await signIn(page, world);
  await session(browser, context);
  await page.goto(`${world.url}/ui/settings`);
  const old = main.getByText(/\d+ secrets, to be re-sealed/);
  await old.waitFor();
  assert.ok(Number.parseInt(await old.innerText()) >= SERVERS);
  await main.getByText(first).waitFor();
});

test("all is sealed again, and the progress is shown to its end", async () => {
  await press("Re-seal secrets…");
  await press("Re-seal", dialog());
  await main
    .getByRole("status")
    .filter({ hasText: /Re-sealed: \d+ of \d+/ })
    .waitFor();
  const [, done, total] = /(\d+) of (\d+)/.exec(await main.getByRole("status").first().innerText());
  assert.equal(done, total);
  assert.ok(Number(total) >= SERVERS, `${total} records`);
  await main.getByText("Every secret is sealed with the current key").waitFor();
  assert.equal(await main.getByText("to be re-sealed").count(), 0);
  const state = await sealing();
  assert.notEqual(state.current_key_id, first);
  assert.equal(state.secrets_by_key_id[first] ?? 0, 0);
});

test("without the earlier key nothing is lost", async () => {
  await world.restart({ GRANTWAY_SEALING_KEY: next });
  for (let i = 0; i < SERVERS; i++) assert.equal(await until(() => whoami(i), Boolean), clients[i].client_id);
  const { status } = await api(world, "POST", "/mcp-rest/test/token", { server_id: "s0" });
  assert.equal(status, 200);
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
