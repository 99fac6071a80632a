// Signing in to the UI at an OpenID provider, over https: the demo's authorization server, which asks who comes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { api, behindProxy, PATIENCE_MS, registerClient, startBrowser, startWorld } from "./world.mjs";

let world, browser, provider;

before(async () => {
  world = await startWorld({ env: behindProxy });
  browser = await startBrowser(world);
  const client = await registerClient(world, {
    grant_types: ["authorization_code"],
    redirect_uris: [`${world.https}/signin/callback`],
    scope: "openid",
  });
  browser.secret(client.client_secret);
  provider = {
    issuer: world.issuer,
    client_id: client.client_id,
    client_secret: client.client_secret,
    name_claim: "email",
    grants: [
      { claim: "groups", value: "operators", role: "admin" },
      { claim: "groups", value: "auditors", role: "viewer", all_servers: true },
    ],
  };
  await configure();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

async function configure(change = {}) {
  const { status, body } = await api(world, "PUT", "/v1/settings/sign-in", { ...provider, ...change });
  assert.equal(status, 200, JSON.stringify(body));
}

/** From the gateway's own page to the provider, where this person comes, or denies. */
async function come(who) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${world.https}/ui/keys`);
  await page.getByRole("button", { name: "Sign in with your organization" }).click();
  await page.getByRole("heading", { name: "Authorize" }).waitFor();
  assert.ok(page.url().startsWith(world.issuer));
  const under = (await context.cookies()).find((c) => c.name === "__Host-grantway_signin");
  assert.deepEqual([under?.httpOnly, under?.secure, under?.sameSite, under?.path], [true, true, "Lax", "/"]);
  browser.secret(under.value, "header cookie", "header set-cookie");
  const back = page.waitForResponse((r) => new URL(r.url()).pathname === "/signin/callback");
  await page.getByRole("button", { name: who ? `Allow as ${who}` : "Deny" }).click();
  const response = await back;
  const session = (await context.cookies()).find((c) => c.name.includes("grantway_session"));
  if (session) browser.secret(session.value, "header cookie", "header set-cookie");
  assert.equal((await context.cookies()).filter((c) => c.name.includes("signin")).length, 0, "it is good once");
  return { context, page, response, session };
}

const heading = (page) => page.getByRole("heading", { level: 1, name: "Access keys" });

test("who is in the administrators' group is an administrator", async () => {
  const { context, page, response, session } = await come("ada");
  await heading(page).waitFor();
  await page.getByText("ada@example.com").waitFor();
  await page.getByText("Administrator").first().waitFor();
  assert.equal(session.name, "__Host-grantway_session");
  assert.deepEqual([session.httpOnly, session.secure, session.sameSite], [true, true, "Strict"]);
  await page
    .getByRole("button", { name: /^Create (key|the first key)$/ })
    .first()
    .waitFor();
  // The same response again.
  await page.goto(response.url());
  await page.getByText("was not begun in this browser").waitFor();
  await context.close();
});

test("who is in the viewers' group sees, and cannot change", async () => {
  const { context, page } = await come("vera");
  await heading(page).waitFor();
  await page.getByText("Viewer (read only)").waitFor();
  assert.equal(await page.getByRole("button", { name: /^Create/ }).count(), 0);
  const status = await page.evaluate(async () => {
    const headers = { "X-Grantway-CSRF": "1", "Content-Type": "application/json" };
    return (await fetch("/v1/keys", { method: "POST", headers, body: '{"name":"x","role":"admin"}' })).status;
  });
  assert.equal(status, 403);
  await context.close();
});

test("who is in neither group, and who denies, is refused", async () => {
  for (const [who, code, reason] of [
    ["eve", "sign_in_not_granted", "nothing is granted to you"],
    [undefined, "sign_in_denied", "did not sign you in"],
  ]) {
    const { context, page, response, session } = await come(who);
    assert.equal(response.status(), 403);
    assert.equal(session, undefined);
    await page.getByRole("heading", { level: 1, name: "This did not work" }).waitFor();
    await page.getByText(reason).waitFor();
    await page.getByText(code, { exact: true }).waitFor();
    assert.notEqual(await page.locator("dd").last().innerText(), "", "the request's id");
    await page.getByRole("link", { name: "Back to sign in" }).click();
    await page.getByRole("heading", { name: "Sign in to Grantway" }).waitFor();
    await context.close();
  }
});

test("a response that another browser began is refused", async () => {
  const [mine, other] = [await browser.newContext(), await browser.newContext()];
  const page = await mine.newPage();
  await page.goto(`${world.https}/signin?return_to=/ui/`);
  const victim = await other.newPage();
  await victim.goto(page.url());
  await victim.getByRole("button", { name: "Allow as ada" }).click();
  await victim.getByText("was not begun in this browser").waitFor();
  assert.equal((await other.cookies()).filter((c) => c.name.includes("session")).length, 0);
  await mine.close();
  await other.close();
});

test("signing out everywhere ends the session of the other browser too", async () => {
  const [one, two] = [await come("ada"), await come("ada")];
  await heading(one.page).waitFor();
  await heading(two.page).waitFor();
  await one.page.getByRole("button", { name: /Administrator/ }).click();
  await one.page.getByRole("menuitem", { name: "Sign out everywhere" }).click();
  await one.page.getByRole("heading", { name: "Sign in to Grantway" }).waitFor();
  const ended = two.page.getByRole("heading", { name: "Sign in to Grantway" });
  const deadline = Date.now() + PATIENCE_MS;
  do await two.page.reload();
  while (
    !(await ended
      .or(heading(two.page))
      .first()
      .waitFor()
      .then(() => ended.isVisible())) &&
    Date.now() < deadline
  );
  await ended.waitFor();
  await one.context.close();
  await two.context.close();
});

test("another provider, or none, ends the sessions that it made, and the page asks again", async () => {
  const { context, page } = await come("ada");
  await heading(page).waitFor();
  await configure({ name_claim: "sub" });
  const dialog = page.getByRole("dialog", { name: "Your session has ended" });
  const deadline = Date.now() + PATIENCE_MS;
  do
    await page
      .getByRole("navigation")
      .getByRole("link", { name: Date.now() % 2 ? "Audit" : "About" })
      .click({ timeout: 2_000 })
      .catch(() => undefined);
  while (!(await dialog.isVisible()) && Date.now() < deadline);
  await dialog.waitFor();
  await context.close();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
