// The Tools tab: every kind of result in the playground, what a server tells while it works, and what callers may use.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { api, makeServer, on, registerClient, session, signIn, startBrowser, startWorld, until } from "./world.mjs";

let world, browser, page, main, press;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  ({ main, press } = on(page));
  const client = await registerClient(world);
  browser.secret(client.client_secret);
  await makeServer(world, {
    server_name: "demo",
    auth_type: "oauth2",
    oauth2_flow: "client_credentials",
    token_url: `${world.issuer}/token`,
    token_endpoint_auth_method: "client_secret_basic",
    upstream_resource: "auto",
    scopes: ["mcp:read", "mcp:call"],
    credentials: { client_id: client.client_id, client_secret: client.client_secret },
  });
  await makeServer(world, { server_name: "second", auth_type: "none" });
  await signIn(page, world);
  await session(browser, context);
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

const tools = () => page.goto(`${world.url}/ui/servers/demo?tab=tools`);
const pick = (tool) => main.getByRole("button", { name: new RegExp(`^${tool}`) }).click();

async function callTool(tool) {
  await pick(tool);
  await press("Call tool");
}

test("a picture is shown, and can be saved", async () => {
  await tools();
  await callTool("picture");
  const image = main.getByRole("img", { name: "Returned by the tool" });
  await image.waitFor();
  assert.equal(await until(() => image.evaluate((i) => i.naturalWidth), Boolean), 96);
  await main.getByText("A gradient.").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    main.getByRole("link", { name: "Save" }).click(),
  ]);
  assert.equal(await download.failure(), null);
});

test("a sound can be played", async () => {
  await callTool("sound");
  const audio = main.locator("audio");
  await audio.waitFor();
  const length = await until(() => audio.evaluate((a) => a.duration), Boolean);
  assert.ok(Math.abs(length - 0.5) < 0.1, `${length} s`);
});

test("resources are shown, and a linked one is read through the gateway", async () => {
  await callTool("documents");
  await main.getByRole("group", { name: "Resource demo://note" }).getByText("An embedded text.").waitFor();
  const file = main.getByRole("group", { name: "Resource demo://tone.wav" });
  await file.getByText("4.0 kB").waitFor();
  assert.equal(await file.getByRole("link", { name: "Save" }).getAttribute("download"), "tone.wav");
  await press("Read");
  await main
    .getByRole("group", { name: "Resource demo://greeting" })
    .getByText("Hello from behind the gateway.")
    .waitFor();
});

test("an error of the tool is told apart from a call that failed", async () => {
  await callTool("fail");
  await main.getByText("The tool reports an error").waitFor();
  await main.getByText("out of paper: fill tray 2").waitFor();
  assert.equal(await main.getByRole("alert").count(), 0);
});

test("a structured result, and the same as JSON", async () => {
  await callTool("whoami");
  await main.getByRole("region", { name: "the structured result" }).getByText('"client_id"').waitFor();
  await main.getByRole("radiogroup", { name: "How to show the result" }).getByText("JSON").click();
  await main.getByRole("region", { name: "the result as JSON" }).getByText('"structuredContent"').waitFor();
});

test("progress and log messages appear while the tool works", async () => {
  await pick("slow");
  await main.getByRole("textbox", { name: /^steps/ }).fill("100");
  await main.getByRole("textbox", { name: /^milliseconds/ }).fill("1000");
  await press("Call tool");
  await main.getByText("Progress 1 of 100: step 1 of 100").waitFor();
  await main.getByText(/^Log info, slow: step 1 of 100 took/).waitFor();
  assert.equal(await main.getByRole("progressbar", { name: "Progress" }).getAttribute("max"), "100");
  await press("Cancel");
  await main.getByRole("button", { name: "Call tool" }).waitFor();
});

test("looking at the tools fetched one token, and none for a test", async () => {
  const { body: demo } = await api(world, "GET", "/v1/mcp/server/demo");
  const mints = async () =>
    (await api(world, "GET", `/v1/audit?target=${demo.server_id}&action=token.mint`)).body.data.map(
      (row) => row.detail.cause,
    );
  assert.deepEqual(await until(mints, (causes) => causes.length > 0), ["miss"]);
});

const call = (name, args) =>
  api(world, "POST", "/mcp-rest/tools/call", { server_id: "demo", name, arguments: args ?? {} });

async function save() {
  await press("Save tools");
  await main.getByRole("button", { name: "Save tools" }).waitFor({ state: "detached" });
}

test("while every tool is allowed, an unticked one is an exception", async () => {
  await tools();
  await main.getByRole("checkbox", { name: "Allow echo" }).uncheck();
  await save();
  const { body } = await api(world, "GET", "/v1/mcp/server/demo");
  assert.equal(body.allowed_tools, null);
  assert.deepEqual(body.disallowed_tools, ["echo"]);
  assert.equal(
    (
      await until(
        () => call("echo", { message: "x" }),
        (a) => a.status !== 200,
      )
    ).body.error.code,
    "tool_denied",
  );
  assert.equal((await call("add", { a: 1, b: 2 })).status, 200);
  await main.getByRole("checkbox", { name: "Allow echo" }).check();
  await save();
  assert.equal(
    (
      await until(
        () => call("echo", { message: "x" }),
        (a) => a.status === 200,
      )
    ).status,
    200,
  );
});

test("a limit on parameters is set, told, and taken off", async () => {
  await pick("slow");
  await main.getByRole("switch", { name: "Limit the parameters" }).check();
  const limit = main.getByRole("combobox", { name: "Parameters that callers may set" });
  await limit.press("Backspace");
  await save();
  assert.deepEqual((await api(world, "GET", "/v1/mcp/server/demo")).body.allowed_params, { slow: ["steps"] });
  const denied = await until(
    () => call("slow", { steps: 1, milliseconds: 1 }),
    (a) => a.status !== 200,
  );
  assert.equal(denied.body.error.code, "parameter_denied");
  assert.equal((await call("slow", { steps: 1 })).status, 200);
  await main.getByText("Limited").waitFor();
  await main.getByRole("switch", { name: "Limit the parameters" }).uncheck();
  await save();
  assert.equal((await api(world, "GET", "/v1/mcp/server/demo")).body.allowed_params, undefined);
});

test("a tool with a title of its own is still called by its name", async () => {
  await pick("add");
  await main.getByRole("textbox", { name: "Title" }).fill("Sum up");
  await save();
  await main.getByRole("heading", { name: "Sum up" }).waitFor();
  await main.getByRole("textbox", { name: /^a/ }).fill("20");
  await main.getByRole("textbox", { name: /^b/ }).fill("22");
  await press("Call tool");
  await main.getByText("Success").waitFor();
});

test("names that the server does not offer are told, and can be forgotten", async () => {
  await api(world, "PUT", "/v1/mcp/server/demo", { disallowed_tools: ["drop_everything"] });
  await tools();
  await main.getByText("drop_everything").waitFor();
  await press("Forget it");
  await save();
  assert.equal((await api(world, "GET", "/v1/mcp/server/demo")).body.disallowed_tools, undefined);
});

test("servers are selected and disabled together on a narrow screen", async () => {
  await page.setViewportSize({ width: 400, height: 800 });
  await page.goto(`${world.url}/ui/`);
  await main.getByRole("checkbox", { name: "Select demo" }).check();
  await main.getByRole("region", { name: "Selected servers" }).getByText("1 selected").waitFor();
  await main.getByRole("checkbox", { name: "Select all" }).check();
  await main.getByRole("region", { name: "Selected servers" }).getByText("2 selected").waitFor();
  await press("Disable");
  await main.getByText("Disabled").nth(1).waitFor();
  for (const name of ["demo", "second"])
    assert.equal((await api(world, "GET", `/v1/mcp/server/${name}`)).body.disabled, true, name);
});

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
