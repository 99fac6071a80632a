// The keyboard alone: Tab, Enter, arrows and typing take an administrator from the list of servers to a first tool call.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { makeServer, on, registerClient, session, signIn, startBrowser, startWorld } from "./world.mjs";

/** More than there are stops on any screen. */
const STOPS = 80;

let world, browser, page, client, main, field, outcome, heading;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  client = await registerClient(world);
  browser.secret(client.client_secret, "body of POST /v1/mcp/server", "body of POST /mcp-rest/test/", "fields");
  await makeServer(world, { server_name: "Earlier", auth_type: "none" });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  ({ main, field, outcome, heading } = on(page));
  await signIn(page, world);
  await session(browser, context);
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

const press = (key) => page.keyboard.press(key);
const button = (name) => main.getByRole("button", { name });

/** Goes from stop to stop until the element has the focus, which must show. */
async function go(element, key = "Tab") {
  const focus = () =>
    element.evaluate((e) => e === document.activeElement && (e.matches(":focus-visible") ? "shown" : "hidden"));
  let found = await focus();
  for (let i = 0; i < STOPS && !found; i++) {
    await press(key);
    found = await focus();
  }
  assert.equal(found, "shown", `${element} is not reached by ${key}`);
}

async function type(element, text) {
  await go(element);
  await press("ControlOrMeta+a");
  await page.keyboard.type(text);
  assert.equal(await element.inputValue(), text);
}

/** Opens a list and goes to one of its options by arrows. */
async function choose(label, option) {
  const box = main.getByRole("combobox", { name: label, exact: true });
  await go(box);
  await press("Enter");
  const wanted = page.getByRole("option", { name: option, exact: true });
  await wanted.waitFor();
  const chosen = () => wanted.evaluate((e) => e.hasAttribute("data-combobox-selected"));
  for (let i = 0; i < STOPS && !(await chosen()); i++) await press("ArrowDown");
  await press("Enter");
  await wanted.waitFor({ state: "hidden" });
  assert.equal(await box.inputValue(), option);
}

test("from the list to the form", async () => {
  await page.goto(`${world.url}/ui/`);
  await main.getByRole("link", { name: "Earlier", exact: true }).waitFor();
  await go(page.getByRole("link", { name: "Skip to the content" }));
  await press("Enter");
  await go(main.getByRole("link", { name: "Add server" }));
  await press("Enter");
  await heading("Add a server").waitFor();
});

test("an M2M server is filled in, its token is tested, and it is saved", async () => {
  await type(field("Server name"), "Keys only");
  await type(field("Slug"), "keys-only");
  await type(field("URL").first(), world.mcp);
  await go(button("Discover"));
  await press("Enter");
  await page.getByText("Found and filled in").waitFor();

  const flow = (name) => main.getByRole("radio", { name });
  await go(flow(/Machine-to-Machine/));
  await press("ArrowRight");
  await page.getByText("A person signs in once").waitFor();
  await press("ArrowLeft");
  await page.getByText("A person signs in once").waitFor({ state: "detached" });
  assert.equal(await flow(/Machine-to-Machine/).isChecked(), true);

  await type(field("Client ID"), client.client_id);
  await choose("Client authentication", "Client secret in the header (Basic)");
  await type(page.getByRole("textbox", { name: "Client secret" }), client.client_secret);
  await go(button("Test token"));
  await press("Enter");
  await outcome().filter({ hasText: "Token received" }).waitFor();

  await go(button("Add server"), "Shift+Tab");
  await press("Enter");
  await heading("Keys only").waitFor();
});

test("a tool is called", async () => {
  await go(button(/^add/));
  await press("Enter");
  await type(page.getByRole("textbox", { name: /^a/ }), "20");
  await type(page.getByRole("textbox", { name: /^b/ }), "22");
  await go(button("Call tool"));
  await press("Enter");
  await page.getByText("Success").waitFor();
  await main.locator("pre", { hasText: /^42$/ }).first().waitFor();
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
