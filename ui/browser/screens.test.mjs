// Every screen, dialog and page in both themes: WCAG AA by axe, and no scrolling sideways at 400 pixels.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { dialogs, furnish, provider, screens } from "./screens.mjs";
import { api, consentPage, session, signIn, startBrowser, startWorld } from "./world.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 400, height: 800 };

let world, browser, context, page, made;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  made = await furnish(world);
  // The caller's key is typed at /connect.
  for (const secret of made.secrets)
    browser.secret(secret, "fields", "body of POST /connect", "body of POST /calendar/authorize");
  context = await browser.newContext({ viewport: WIDE });
  page = await context.newPage();
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

/** Checks the page as it is now. */
async function check(name) {
  const size = page.viewportSize();
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    await page.waitForFunction((t) => matchMedia(`(prefers-color-scheme: ${t})`).matches, theme);
    await page.waitForFunction(
      (t) => [t, undefined].includes(document.documentElement.dataset.mantineColorScheme),
      theme,
    );
    // A colour that is on its way to the theme's has another contrast.
    await page.evaluate(() => {
      for (const a of document.getAnimations()) if (a instanceof CSSTransition) a.finish();
    });
    await page.evaluate(axe);
    const found = await page.evaluate((r) => window.axe.run({ runOnly: r }), rules);
    const problems = found.violations.map(
      (v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.any[0]?.message ?? ""}`).join("; ")}`,
    );
    assert.deepEqual(problems, [], `${name}, ${theme}`);
  }
  await page.setViewportSize(NARROW);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.setViewportSize(size);
  assert.ok(over <= 0, `${name} is ${over} pixels too wide at 400`);
}

test("signing in", async () => {
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  await check("sign-in");
  await page.getByRole("textbox", { name: "Access key" }).fill("gw_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("does not know this key").waitFor();
  await check("sign-in refused");
  await signIn(page, world);
  await session(browser, context);
});

for (const [name, go] of [...screens, ...dialogs]) {
  test(name, async () => {
    await page.setViewportSize(WIDE);
    await go(page, world);
    if (name === "key-shown-once")
      browser.secret(await page.getByTestId("new-key").innerText(), "dom", "answer to POST /v1/keys/");
    await check(name);
  });
}

test("an OpenID provider", async () => {
  await page.setViewportSize(WIDE);
  const grants = [{ claim: "groups", value: "operators", role: "admin" }];
  const { status } = await api(world, "PUT", "/v1/settings/sign-in", { issuer: world.issuer, client_id: "ui", grants });
  assert.equal(status, 200);
  const section = await provider(page, world);
  await section.getByText("On", { exact: true }).waitFor();
  await section.getByRole("group", { name: "Grant 1" }).waitFor();
  await check("sign-in provider");
  await section.getByRole("button", { name: "Turn off…" }).click();
  await page.getByRole("dialog").waitFor();
  await check("sign-in provider, turning it off");
});

test("the session has ended", async () => {
  await page.setViewportSize(WIDE);
  await page.goto(`${world.url}/ui/keys`);
  await page.getByRole("heading", { level: 1, name: "Access keys" }).waitFor();
  await context.clearCookies();
  await page.getByRole("navigation").getByRole("link", { name: "Audit" }).click();
  await page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
  await check("session ended");
});

test("signing in at a provider", async () => {
  await page.goto(`${world.url}/ui/`);
  await page.getByRole("button", { name: "Sign in with your organization" }).waitFor();
  await check("sign-in, with a provider");
  await page.goto(`${world.url}/signin/callback?state=unknown&code=x`);
  await page.getByText("was not begun in this browser").waitFor();
  await check("sign-in at the provider, refused");
});

test("the pages of /connect and of consent", async () => {
  const { body: key } = await api(world, "POST", "/v1/keys", { name: "alice", all_servers: true });
  browser.secret(key.key, "fields", "body of POST /connect", "body of POST /calendar/authorize");
  await page.goto(`${world.url}/connect`);
  await page.getByLabel("Your Grantway access key").waitFor();
  await check("connect, signed out");
  await page.getByLabel("Your Grantway access key").fill("gw_wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Connections" }).waitFor();
  await check("connect, refused");
  await page.getByLabel("Your Grantway access key").fill(key.key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Signed in as alice.").waitFor();
  await check("connect, signed in");
  await page.goto(`${world.url}/callback?state=unknown&code=x`);
  await page.getByText("was not begun in this browser").waitFor();
  await check("callback, refused");

  await page.goto(world.url + (await consentPage(world, "calendar")));
  await page.getByText("“Editor” asks to use").waitFor();
  await check("consent");
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
