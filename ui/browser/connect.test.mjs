// Interactive servers in a real browser, over https: an administrator authorizes in the UI, a caller connects at the
// gateway's own pages and consents to an MCP client that does its own OAuth. The authorization server asks the person.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import {
  api,
  behindProxy,
  makeServer,
  mcp,
  on,
  registerClient,
  session,
  signIn,
  startBrowser,
  startWorld,
  until,
} from "./world.mjs";

let world, browser, context, page, press, dialog, key, client;

before(async () => {
  world = await startWorld({ env: behindProxy });
  browser = await startBrowser(world);
  await makeServer(world, {
    server_name: "Files",
    slug: "files",
    auth_type: "oauth2",
    oauth2_flow: "authorization_code",
  });
  const ui = await registerClient(world, {
    grant_types: ["authorization_code"],
    redirect_uris: [`${world.https}/signin/callback`],
    scope: "openid",
  });
  browser.secret(ui.client_secret);
  const { status } = await api(world, "PUT", "/v1/settings/sign-in", {
    issuer: world.issuer,
    client_id: ui.client_id,
    client_secret: ui.client_secret,
    name_claim: "email",
    grants: [{ claim: "groups", value: "guests", servers: ["files"] }],
  });
  assert.equal(status, 200);
  key = (await api(world, "POST", "/v1/keys", { name: "alice", all_servers: true })).body.key;
  browser.secret(key, "body of POST /connect", "body of POST /files/authorize", "fields");
  client = createServer((request, response) => response.end("back at the application"));
  await new Promise((resolve) => client.listen(0, "127.0.0.1", resolve));
  [context, page] = await administrator();
  ({ press, dialog } = on(page));
});

after(async () => {
  client?.close();
  await browser?.close();
  await world?.stop();
});

/** A browser of its own in which an administrator is signed in. */
async function administrator(prepare) {
  const c = await browser.newContext();
  if (prepare) await c.addInitScript(prepare);
  const p = await c.newPage();
  await signIn(p, { ...world, url: world.https });
  await session(browser, c);
  return [c, p];
}

const panel = (name, from = page) => from.getByRole("region", { name, exact: true });
const whoami = async (credential) =>
  (await mcp(world, "files", "tools/call", { name: "whoami", arguments: {} }, credential)).body?.result
    ?.structuredContent?.subject;

/** Presses the button and answers the authorization server's window. */
async function popupOf(button) {
  const opened = page.waitForEvent("popup");
  await button.click();
  const popup = await opened;
  await popup.getByRole("heading", { name: "Authorize" }).waitFor();
  return popup;
}

async function flowCookies(c = context) {
  const cookies = (await c.cookies()).filter((one) => /flow/.test(one.name));
  for (const one of cookies) browser.secret(one.value, "header cookie", "header set-cookie");
  return cookies;
}

test("the shared identity is authorized in a window of its own", async () => {
  assert.equal(await whoami(key), undefined);
  await page.goto(`${world.https}/ui/servers/files?tab=token`);
  const popup = await popupOf(panel("Shared account").getByRole("button", { name: "Authorize & fetch token" }));
  const [flow, ...others] = await flowCookies();
  assert.equal(others.length, 0);
  assert.match(flow.name, /^__Host-/);
  assert.deepEqual([flow.httpOnly, flow.secure, flow.path], [true, true, "/"]);
  const asked = new URL(popup.url());
  assert.equal(asked.origin, world.issuer);
  const closed = popup.waitForEvent("close");
  await popup.getByRole("button", { name: "Allow as ada" }).click();
  await closed;
  await panel("Shared account")
    .getByText(/Connected as/)
    .waitFor();
  assert.match(await panel("Shared account").innerText(), /Connected as ada.*, expires/s);
  assert.equal((await flowCookies()).length, 0, "the flow is over");
  assert.equal(await until(() => whoami(key), Boolean), "ada");
});

test("who denies is not connected, and told so", async () => {
  const popup = await popupOf(panel("Your account").getByRole("button", { name: "Connect" }));
  await flowCookies();
  await popup.getByRole("button", { name: "Deny" }).click();
  await popup.getByText("did not authorize the gateway (access_denied)").waitFor();
  await popup.close();
  await panel("Your account").getByRole("button", { name: "Stop waiting" }).click();
  await panel("Your account").getByText("Not connected").waitFor();
  await panel("Your account").getByRole("button", { name: "Connect" }).waitFor();
});

test("where no window can be opened the page goes there and comes back, once", async () => {
  const [c, p] = await administrator(() => {
    window.open = () => null;
  });
  await p.goto(`${world.https}/ui/connections`);
  const own = panel("Your account", p);
  await own.getByRole("button", { name: "Connect" }).click();
  await p.getByRole("heading", { name: "Authorize" }).waitFor();
  assert.match((await flowCookies(c))[0].name, /^__Host-/);
  const returned = p.waitForRequest((r) => new URL(r.url()).pathname === "/callback");
  await p.getByRole("button", { name: "Allow as vera" }).click();
  const callback = (await returned).url();
  await own.getByText(/Connected as/).waitFor();
  assert.equal(p.url(), `${world.https}/ui/connections`);
  assert.match(await own.innerText(), /Connected as vera/);
  assert.equal(
    await until(
      () => whoami(world.adminKey),
      (who) => who === "vera",
    ),
    "vera",
  );
  assert.equal(await whoami(key), "ada", "others have the shared identity");

  // The same response again, in the same browser.
  await p.goto(callback);
  await p.getByText("finished already").waitFor();
  await p.goto(`${world.https}/ui/connections`);

  await own.getByRole("button", { name: "Disconnect…" }).click();
  await p.getByRole("dialog").getByRole("button", { name: "Disconnect" }).click();
  await own.getByText("Not connected").waitFor();
  assert.equal(
    await until(
      () => whoami(world.adminKey),
      (who) => who === "ada",
    ),
    "ada",
  );
  await c.close();
});

test("a flow that was begun in another browser is not finished, nor spoiled", async () => {
  await page.goto(`${world.https}/ui/connections`);
  const popup = await popupOf(panel("Your account").getByRole("button", { name: "Connect" }));
  await flowCookies();
  const other = await browser.newContext();
  const stranger = await other.newPage();
  await stranger.goto(popup.url());
  const back = stranger.waitForRequest((r) => new URL(r.url()).pathname === "/callback");
  await stranger.getByRole("button", { name: "Allow as eve" }).click();
  await stranger.getByText("was not begun in this browser").waitFor();
  await other.close();
  // Its own browser still can.
  await popup.goto((await back).url());
  await panel("Your account")
    .getByText(/Connected as/)
    .waitFor();
  await panel("Shared account").getByRole("button", { name: "Disconnect…" }).click();
  await press("Disconnect", dialog());
  await panel("Shared account").getByText("Not connected").waitFor();
});

test("a caller connects and disconnects an account at /connect", async () => {
  await page.goto(`${world.https}/connect/files`);
  await page.getByLabel("Your Grantway access key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in as alice.").waitFor();
  const visit = (await context.cookies()).find((c) => c.name === "__Host-grantway_connect");
  assert.deepEqual([visit.httpOnly, visit.secure, visit.sameSite], [true, true, "Strict"]);
  browser.secret(visit.value, "header cookie", "header set-cookie");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await page.getByRole("heading", { name: "Authorize" }).waitFor();
  await flowCookies();
  await page.getByRole("button", { name: "Allow as vera" }).click();
  await page.getByRole("heading", { name: "Connected" }).waitFor();
  assert.equal(await until(() => whoami(key), Boolean), "vera");
  assert.equal((await flowCookies()).length, 0);
  await page.reload();
  await page.getByText("finished already").waitFor();

  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByText("not connected").waitFor();
  const connection = await api(world, "GET", "/v1/mcp/server/files/connection", undefined, key);
  assert.equal(connection.body.connected, false);
});

/** An MCP client that does its own OAuth: where it sends a browser, and the token for what comes back. */
async function editor() {
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
  const token = (back) =>
    fetch(`${world.url}/files/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        client_id: registered.client_id,
        code: back.searchParams.get("code"),
        redirect_uri: redirect,
        code_verifier: verifier,
      }),
    }).then((response) => response.json());
  return { redirect, address: `${world.https}/files/authorize?${query}`, token };
}

test("a caller consents to a client that does its own OAuth", async () => {
  const { redirect, address, token } = await editor();
  const consent = async () => {
    await page.goto(address);
    await page.getByText("“Editor <b>” asks to use").waitFor();
    const typed = page.getByLabel("Your Grantway access key");
    if (await typed.isVisible()) await typed.fill(key);
    else
      await page
        .getByText("Use an access key instead")
        .click()
        .then(() => typed.fill(key));
  };
  await page.goto(address);
  await page.getByRole("button", { name: /Deny|Refuse|Cancel/ }).click();
  await page.waitForURL(`${redirect}?*`);
  assert.equal(new URL(page.url()).searchParams.get("error"), "access_denied");

  await consent();
  await page.getByRole("button", { name: "Allow" }).click();
  // Not connected yet: the upstream is asked on the way.
  await page.getByRole("heading", { name: "Authorize" }).waitFor();
  await flowCookies();
  await page.getByRole("button", { name: "Allow as ada" }).click();
  await page.waitForURL(`${redirect}?*`);
  const back = new URL(page.url());
  assert.equal(back.searchParams.get("state"), "s");
  assert.equal(back.searchParams.get("iss"), `${world.https}/files`);
  assert.equal(await whoami((await token(back)).access_token), "ada");
});

test("a person without a key signs in on the way, and consents", async () => {
  const { redirect, address, token } = await editor();
  const c = await browser.newContext();
  const p = await c.newPage();
  // A page of another site leads there, as a client in the web does: no cookie of the gateway comes along.
  await p.goto(`http://127.0.0.1:${client.address().port}/`);
  await p.evaluate((to) => location.assign(to), address);
  await p.getByText("“Editor <b>” asks to use").waitFor();
  await p.getByRole("link", { name: "Sign in with your organization instead" }).click();
  await p.getByRole("heading", { name: "Authorize" }).waitFor();
  for (const one of await c.cookies(world.https)) browser.secret(one.value, "header cookie", "header set-cookie");
  await p.getByRole("button", { name: "Allow as eve" }).click();
  await p.getByText("Signed in as eve@example.com.").waitFor();
  await p.getByText("“Editor <b>” asks to use").waitFor();
  const visit = (await c.cookies()).find((one) => one.name === "__Host-grantway_connect");
  assert.deepEqual([visit.httpOnly, visit.secure, visit.sameSite], [true, true, "Strict"]);
  browser.secret(visit.value, "header cookie", "header set-cookie");
  await p.getByRole("button", { name: "Allow" }).click();
  await p.getByRole("heading", { name: "Authorize" }).waitFor();
  await flowCookies(c);
  await p.getByRole("button", { name: "Allow as eve" }).click();
  await p.waitForURL(`${redirect}?*`);
  assert.equal(await whoami((await token(new URL(p.url()))).access_token), "eve");
  // Asked again, the browser is known and the account connected.
  await p.goto(address);
  await p.getByText("Signed in as eve@example.com.").waitFor();
  await p.getByRole("button", { name: "Allow" }).click();
  await p.waitForURL(`${redirect}?*`);
  assert.ok(new URL(p.url()).searchParams.get("code"));
  await c.close();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
