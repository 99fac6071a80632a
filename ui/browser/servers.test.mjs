// Every kind of authentication that the form offers, against the real authorization server and MCP server.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";

import { api, makeServer, on, registerClient, session, signIn, startBrowser, startWorld } from "./world.mjs";

let world, browser, page, main, field, secret, press, choose, outcome, heading;

before(async () => {
  world = await startWorld({ silent: true });
  browser = await startBrowser(world);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  ({ main, field, secret, press, choose, outcome, heading } = on(page));
  await signIn(page, world);
  await session(browser, context);
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

/** What is typed into the form is in its field, and in the requests that test or save it. */
const typed = (value) =>
  browser.secret(
    value,
    "fields",
    "body of POST /mcp-rest/test/",
    "body of POST /v1/mcp/server",
    "body of PUT /v1/mcp/server",
  );

async function newServer(name) {
  await page.goto(`${world.url}/ui/servers/new`);
  await field("Server name").fill(name);
  await field("URL").first().fill(world.mcp);
}

/** Saves what is on the form and calls whoami in the playground; answers who the MCP server says it was. */
async function saveAndCall(name) {
  await press("Add server");
  await heading(name).waitFor();
  await main.getByRole("button", { name: /^whoami/ }).click();
  await press("Call tool");
  await page.getByText("Success").waitFor();
  return (
    await main
      .getByText(/You are .*\./)
      .first()
      .innerText()
  ).replace(/^.*You are (.*)\..*$/s, "$1");
}

const methods = {
  client_secret_basic: "Client secret in the header (Basic)",
  client_secret_post: "Client secret in the body (post)",
  client_secret_jwt: "JWT signed with the client secret",
  private_key_jwt: "JWT signed with a private key",
};

for (const [method, other] of [
  ["client_secret_basic", "client_secret_post"],
  ["client_secret_post", "client_secret_jwt"],
  ["client_secret_jwt", "client_secret_basic"],
]) {
  test(`${method} is used as it was chosen`, async () => {
    const client = await registerClient(world, { token_endpoint_auth_method: method });
    typed(client.client_secret);
    await newServer(method);
    await field("Token URL").fill(`${world.issuer}/token`);
    await field("Resource").fill("auto");
    await field("Client ID").fill(client.client_id);
    await secret("Client secret").fill(client.client_secret);
    await choose("Client authentication", methods[other]);
    await press("Test token");
    await outcome().filter({ hasText: "invalid_client" }).waitFor();
    await choose("Client authentication", methods[method]);
    await press("Test token");
    await outcome().filter({ hasText: "Token received" }).waitFor();
    assert.equal(await saveAndCall(method), client.client_id);
  });
}

test("a private key that the gateway makes, whose public half the authorization server reads", async () => {
  const published = `${world.url}/.well-known/jwks.json`;
  const client = await registerClient(world, { token_endpoint_auth_method: "private_key_jwt", jwks_uri: published });
  await newServer("Generated");
  await field("Token URL").fill(`${world.issuer}/token`);
  await field("Resource").fill("auto");
  await field("Client ID").fill(client.client_id);
  await choose("Client authentication", methods.private_key_jwt);
  assert.equal(await secret("Client secret").count(), 0, "only the chosen method's fields are shown");
  await main.getByText("Let Grantway make one").click();
  assert.equal(await main.getByText(published, { exact: true }).innerText(), published);
  assert.equal(await saveAndCall("Generated"), client.client_id);
  const { keys } = await fetch(published).then((response) => response.json());
  assert.equal(keys.length, 1);
  assert.deepEqual(
    Object.keys(keys[0]).sort(),
    ["alg", "crv", "kid", "kty", "use", "x", "y"],
    "the public half and nothing else",
  );

  await page.goto(`${world.url}/ui/servers/generated/edit`);
  await main.getByText("Keep the stored key").waitFor();
  await main.getByText(keys[0].kid).waitFor();
  await press("Test token");
  await outcome().filter({ hasText: "Token received" }).waitFor();
});

test("a private key that is pasted", async () => {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = pair.privateKey.export({ type: "pkcs8", format: "pem" });
  const jwk = { ...pair.publicKey.export({ format: "jwk" }), use: "sig", alg: "ES256", kid: "pasted-1" };
  for (const text of [pem, JSON.stringify(pem).slice(1, -1), ...pem.split("\n").filter((l) => /^[^-]{20}/.test(l))])
    typed(text);
  const client = await registerClient(world, { token_endpoint_auth_method: "private_key_jwt", jwks: { keys: [jwk] } });
  await newServer("Pasted");
  await field("Token URL").fill(`${world.issuer}/token`);
  await field("Resource").fill("auto");
  await field("Client ID").fill(client.client_id);
  await choose("Client authentication", methods.private_key_jwt);
  await main.getByText("Paste a key").click();
  await secret("Private key").fill("not a key");
  await press("Test token");
  await main.locator("[id$=-error]").first().waitFor();
  await secret("Private key").fill(pem);
  await field("Key ID (kid)").fill("pasted-1");
  await press("Test token");
  await outcome().filter({ hasText: "Token received" }).waitFor();
  assert.equal(await saveAndCall("Pasted"), client.client_id);
});

test("fixed credentials: Basic, API key, a header of one's own, bearer, a whole header", async () => {
  const { basic, api_key, own } = world.credentials;
  const client = await registerClient(world);
  const token = await fetch(`${world.issuer}/token`, {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", resource: world.mcp }),
    headers: {
      Authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString("base64")}`,
    },
  }).then((response) => response.json());
  for (const [name, kind, label, value, header, who] of [
    ["ByBasic", "Basic", "User and password", basic.value, undefined, "Authorization"],
    ["ByKey", "API key", "Value", api_key.value, undefined, "X-API-Key"],
    ["ByOwn", "API key", "Value", own.value, own.header[0], own.header[0]],
    ["ByBearer", "Bearer token", "Value", token.access_token, undefined, client.client_id],
    ["ByHeader", "Authorization header", "Value", basic.header[1], undefined, "Authorization"],
  ]) {
    typed(value);
    await newServer(name);
    await choose("Authentication", kind);
    assert.equal(
      (await field("Client ID").count()) + (await field("Token URL").count()),
      0,
      "nothing of OAuth is shown",
    );
    await secret(label).fill(`wrong:${name}`);
    await press("Test connection");
    await outcome().filter({ hasText: "Not connected" }).waitFor();
    await secret(label).fill(value);
    if (header) await field("Header").first().fill(header);
    await press("Test connection");
    await outcome().filter({ hasText: "8 tools" }).waitFor();
    assert.equal(await saveAndCall(name), who);
    await main.getByText("Static").first().waitFor();
    const stored = await api(world, "GET", `/v1/mcp/server/${name.toLowerCase()}`);
    assert.equal(stored.body.secrets.auth_value.set, true);
  }
});

test("an interactive server is saved with its URL alone", async () => {
  await newServer("Personal");
  await main.getByRole("radio", { name: /Interactive \(PKCE\)/ }).click();
  await press("Add server");
  await heading("Personal").waitFor();
  const { body } = await api(world, "GET", "/v1/mcp/server/personal");
  assert.equal(body.oauth2_flow, "authorization_code");
  await page.goto(`${world.url}/ui/`);
  await main
    .getByRole("row", { name: /Personal/ })
    .getByText("Interactive")
    .waitFor();
});

// Each way to authenticate: how it is chosen, what can be filled in, and what may be sent.
const oauth = [
  "client_id",
  "token_endpoint_auth_method",
  "oauth2_flow",
  "token_url",
  "issuer",
  "scopes",
  "audience",
  "upstream_resource",
];
const kinds = {
  none: { choose: () => choose("Authentication", "None"), sends: [] },
  bearer: {
    choose: () => choose("Authentication", "Bearer token"),
    fill: { Value: "static-one" },
    sends: ["credentials.auth_value"],
  },
  basic: {
    choose: () => choose("Authentication", "Basic"),
    fill: { "User and password": "static-two" },
    sends: ["credentials.auth_value"],
  },
  api_key: {
    choose: () => choose("Authentication", "API key"),
    fill: { Value: "static-three", Header: "X-Kept" },
    sends: ["credentials.auth_value", "upstream_token_header.name"],
  },
  m2m_secret: {
    choose: () => oauthBy(/Machine-to-Machine/, "client_secret_basic"),
    fill: { "Client secret": "client-secret-one", ...oauthFields() },
    sends: [...oauth, ...tokenHeader(), "allow_scope_step_up", "keep_warm", "credentials.client_secret"],
  },
  m2m_key: {
    choose: () => oauthBy(/Machine-to-Machine/, "private_key_jwt"),
    fill: { "Audience of the assertion": "https://assertion.example" },
    sends: [
      ...oauth,
      ...tokenHeader(),
      "allow_scope_step_up",
      "keep_warm",
      "assertion_audience",
      "credentials.client_private_key_generate",
    ],
  },
  interactive: {
    choose: () => oauthBy(/Interactive/, "client_secret_basic"),
    fill: { "Authorization URL": "https://as.example/authorize", "Registration URL": "https://as.example/register" },
    sends: [...oauth, ...tokenHeader(), "authorization_url", "registration_url", "credentials.client_secret"],
  },
};

function oauthFields() {
  return {
    "Client ID": "the-client",
    "Token URL": "https://as.example/token",
    Issuer: "https://as.example",
    Audience: "https://audience.example",
    Resource: "auto",
    "Header for the token": "X-Token",
    "Before the token": "Token ",
  };
}

function tokenHeader() {
  return ["upstream_token_header.name", "upstream_token_header.prefix"];
}

async function oauthBy(flow, method) {
  await choose("Authentication", "OAuth 2");
  await main.getByRole("radio", { name: flow }).click();
  await choose("Client authentication", methods[method]);
}

/** Names in a body, those of credentials and of the token's header one by one. */
function names(body) {
  return Object.entries(body).flatMap(([name, value]) =>
    ["credentials", "upstream_token_header"].includes(name) ? Object.keys(value).map((n) => `${name}.${n}`) : [name],
  );
}

test("each switch of the authentication sends what belongs to it and nothing else", async () => {
  await makeServer(world, { server_name: "Taken", slug: "taken", auth_type: "none" });
  for (const value of ["static-one", "static-two", "static-three", "client-secret-one"]) typed(value);
  await newServer("Switched");
  await field("Slug").fill("taken");
  for (const kind of Object.values(kinds)) {
    await kind.choose();
    for (const details of await main.locator("details:not([open]) > summary").all()) await details.click();
    for (const [label, value] of Object.entries(kind.fill ?? {}))
      await main.getByRole("textbox", { name: new RegExp(`^${label}( \\*)?$`) }).fill(value);
  }
  const always = ["server_name", "slug", "url", "transport", "auth_type", "disabled", "allow_all_keys"];
  const [, ...steps] = everyPair(Object.keys(kinds), "interactive");
  let from = "interactive";
  for (const to of steps) {
    await kinds[to].choose();
    // The slug is another server's: the gateway refuses, and the form stays.
    const sent = page.waitForRequest((r) => r.method() === "POST" && r.url().endsWith("/v1/mcp/server"));
    await press("Add server");
    const request = await sent;
    assert.equal((await request.response()).status(), 409);
    const stale = names(request.postDataJSON()).filter((n) => !always.includes(n) && !kinds[to].sends.includes(n));
    assert.deepEqual(stale, [], `${from} → ${to}`);
    from = to;
  }
});

/** A walk from first that takes each step between two of all once (Hierholzer). */
function everyPair(all, first) {
  const left = new Map(all.map((a) => [a, all.filter((b) => b !== a)]));
  const [stack, walk] = [[first], []];
  while (stack.length > 0) {
    const next = left.get(stack.at(-1)).pop();
    if (next) stack.push(next);
    else walk.unshift(stack.pop());
  }
  assert.equal(walk.length, all.length * (all.length - 1) + 1);
  return walk;
}

test("nothing was written to the console, no policy was broken, no secret appeared", () => browser.assertClean());
