// Every screen, by a name, and how to get there from a signed-in page.

import { api, makeServer, registerClient } from "./world.mjs";

export const screens = [
  ["servers", async (page, world) => open(page, world, "/", "MCP servers")],
  ["server-new", async (page, world) => open(page, world, "/servers/new", "Add a server")],
  ["server-edit", async (page, world) => open(page, world, "/servers/demo/edit", /^Edit demo$/i)],
  ["server", async (page, world) => open(page, world, "/servers/demo", /^demo$/i)],
  [
    "playground",
    async (page, world) => {
      await open(page, world, "/servers/demo?tab=tools", /^demo$/i);
      await page.getByRole("button", { name: /^whoami/ }).click();
      await page.getByRole("button", { name: "Call tool" }).click();
      await page.getByText("Success").waitFor();
    },
  ],
  [
    "token",
    async (page, world) => {
      await open(page, world, "/servers/demo?tab=token", /^demo$/i);
      await page.getByRole("button", { name: "Explain the next call" }).click();
      await page.getByRole("region", { name: "the explanation" }).waitFor();
    },
  ],
  [
    "tool-results",
    async (page, world) => {
      await tool(page, world, "documents");
      await page.getByRole("button", { name: "Call tool" }).click();
      await page.getByRole("button", { name: "Read", exact: true }).click();
      await page.getByText("Hello from behind the gateway.").waitFor();
    },
  ],
  ["server-access", async (page, world) => open(page, world, "/servers/demo?tab=access", /^demo$/i)],
  ["server-audit", async (page, world) => open(page, world, "/servers/demo?tab=audit", /^demo$/i)],
  ["server-settings", async (page, world) => open(page, world, "/servers/demo?tab=settings", /^demo$/i)],
  ["keys", async (page, world) => open(page, world, "/keys", "Access keys")],
  [
    "key-new",
    async (page, world) => {
      await open(page, world, "/keys?create=new", "Access keys");
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "usage",
    async (page, world) => {
      await open(page, world, "/usage", "Usage");
      await page.locator(".recharts-surface").first().waitFor();
    },
  ],
  [
    "audit",
    async (page, world) => {
      await open(page, world, "/audit", "Audit");
      await page.locator("summary").first().click();
    },
  ],
  [
    "import",
    async (page, world) => {
      await open(page, world, "/transfer", "Import & export");
      await page.getByRole("textbox", { name: "Configuration" }).fill(litellm);
      await page.getByRole("button", { name: "Show what would change" }).click();
      await page.getByRole("list", { name: "What would change" }).waitFor();
    },
  ],
  ["connections", async (page, world) => open(page, world, "/connections", "Connections")],
  ["settings", async (page, world) => open(page, world, "/settings", "Settings")],
  [
    "issuer-new",
    async (page, world) => {
      await open(page, world, "/settings", "Settings");
      await page.getByRole("button", { name: "Add an issuer" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["about", async (page, world) => open(page, world, "/about", "About")],
];

/** Dialogs and menus, and how to get there. */
export const dialogs = [
  [
    "servers-selected",
    async (page, world) => {
      await page.setViewportSize({ width: 400, height: 800 });
      await open(page, world, "/", "MCP servers");
      await page.getByRole("checkbox", { name: "Select all" }).check();
      await page.getByRole("region", { name: "Selected servers" }).waitFor();
    },
  ],
  [
    "tool-picture",
    async (page, world) => {
      await tool(page, world, "picture");
      await page.getByRole("button", { name: "Call tool" }).click();
      await page.getByRole("img", { name: "Returned by the tool" }).waitFor();
    },
  ],
  [
    "tool-sound",
    async (page, world) => {
      await tool(page, world, "sound");
      await page.getByRole("button", { name: "Call tool" }).click();
      await page.locator("audio").waitFor();
    },
  ],
  [
    "tool-policy",
    async (page, world) => {
      await tool(page, world, "echo");
      await page.getByRole("switch", { name: "Limit the parameters" }).check();
      await page.getByRole("combobox", { name: "Parameters that callers may set" }).press("Backspace");
      await page.getByText("The tool requires message").waitFor();
      await page.getByRole("checkbox", { name: "Allow echo" }).uncheck();
      await page.getByText("Not allowed").waitFor();
    },
  ],
  ["navigation-drawer", async (page, world) => narrow(page, world)],
  ["key-edit", async (page, world) => keyAction(page, world, "Edit")],
  ["key-rotate", async (page, world) => keyAction(page, world, "Rotate…")],
  ["key-revoke", async (page, world) => keyAction(page, world, "Revoke…")],
  [
    "key-shown-once",
    async (page, world) => {
      await keyAction(page, world, "Rotate…");
      await page.getByRole("button", { name: "Rotate key" }).click();
      await page.getByTestId("new-key").waitFor();
    },
  ],
  ["token-refresh", async (page, world) => dialogOf(page, world, "/servers/demo?tab=token", /^demo$/i, "Refresh…")],
  ["token-purge", async (page, world) => dialogOf(page, world, "/servers/demo?tab=token", /^demo$/i, "Purge…")],
  ["server-delete", async (page, world) => dialogOf(page, world, "/servers/demo", /^demo$/i, "Delete…")],
  [
    "servers-delete",
    async (page, world) => {
      await open(page, world, "/", "MCP servers");
      for (const name of ["Search", "Ticketing"]) await page.getByRole("checkbox", { name: `Select ${name}` }).check();
      await page.getByRole("button", { name: "Delete…" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  [
    "leave",
    async (page, world) => {
      await open(page, world, "/servers/demo/edit", /^Edit demo$/i);
      await page.getByRole("textbox", { name: "Description" }).fill("not saved");
      await page.getByRole("link", { name: "Cancel" }).click();
      await page.getByRole("dialog").waitFor();
    },
  ],
  ["reseal", async (page, world) => dialogOf(page, world, "/settings", "Settings", "Re-seal secrets…")],
  [
    "server-interactive",
    async (page, world) => {
      await open(page, world, "/servers/calendar?tab=token", "Calendar");
      await page.getByRole("heading", { name: "Your account" }).waitFor();
    },
  ],
  [
    "form-problems",
    async (page, world) => {
      await open(page, world, "/servers/new", "Add a server");
      await page.getByRole("button", { name: "Add server" }).click();
      await page.getByText("Enter a name.").waitFor();
    },
  ],
  [
    "form-private-key",
    async (page, world) => {
      await open(page, world, "/servers/new", "Add a server");
      await page.getByRole("combobox", { name: "Client authentication", exact: true }).click();
      await page.getByRole("option", { name: /private key/i }).click();
      await page.getByText("Let Grantway make one").waitFor();
    },
  ],
  [
    "connected",
    async (page, world) => {
      // The page closes its window, which a window of the test does not let happen without a word on the console.
      await page.addInitScript(() => {
        if (location.pathname === "/ui/connected") window.close = () => undefined;
      });
      await open(page, world, "/connected", "Connected");
    },
  ],
  [
    "sign-in-provider-new",
    async (page, world) => {
      const section = await provider(page, world);
      await section.getByRole("button", { name: "Add a grant" }).click();
      await section.getByRole("textbox", { name: "Issuer" }).fill("not a URL");
      await page.keyboard.press("Enter");
      await section.getByText("Enter the client ID.").waitFor();
    },
  ],
  ["not-found", async (page, world) => open(page, world, "/nothing", /not found|nothing/i)],
];

/** A tool of the server demo, in the playground. */
async function tool(page, world, name) {
  await open(page, world, "/servers/demo?tab=tools", /^demo$/i);
  await page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
}

async function narrow(page, world) {
  await page.setViewportSize({ width: 400, height: 800 });
  await open(page, world, "/", "MCP servers");
  await page.getByRole("button", { name: "Open the navigation" }).click();
  await page.getByRole("dialog").waitFor();
}

/** The section of the settings that names the OpenID provider. */
export async function provider(page, world) {
  await open(page, world, "/settings", "Settings");
  return page.getByRole("region", { name: "Signing in with OpenID" });
}

async function dialogOf(page, world, path, heading, button) {
  await open(page, world, path, heading);
  await page.getByRole("button", { name: button, exact: true }).click();
  await page.getByRole("dialog").waitFor();
}

async function keyAction(page, world, action) {
  await open(page, world, "/keys", "Access keys");
  await page.getByRole("button", { name: "Actions for the key ci-release-notes" }).click();
  await page.getByRole("menuitem", { name: action }).click();
  await page.getByRole("dialog").waitFor();
}

const litellm = `mcp_servers:
  github:
    url: https://api.githubcopilot.com/mcp/
    transport: http
    auth_type: bearer_token
    auth_value: os.environ/GITHUB_TOKEN
  docs:
    url: https://docs.example.com/mcp
    transport: http
    auth_type: none
`;

async function open(page, world, path, heading) {
  await page.goto(`${world.url}/ui${path}`);
  await page.getByRole("heading", { level: 1, name: heading, exact: typeof heading === "string" }).waitFor();
  await page.waitForLoadState("networkidle");
}

/** Sets the theme and loads the page again. */
export async function useTheme(page, theme) {
  await page.evaluate((value) => localStorage.setItem("grantway-color-scheme", value), theme);
}

/** Servers, keys and calls, so that there is something to see. */
export async function furnish(world) {
  const client = await registerClient(world);
  const make = (record) => makeServer(world, record);
  const demo = await make({
    server_name: "demo",
    auth_type: "oauth2",
    oauth2_flow: "client_credentials",
    token_url: `${world.issuer}/token`,
    upstream_resource: "auto",
    scopes: ["mcp:read", "mcp:call"],
    credentials: { client_id: client.client_id, client_secret: client.client_secret },
  });
  const weather = await make({
    server_name: "Weather",
    description: "Forecasts and observations.",
    auth_type: "oauth2",
    oauth2_flow: "client_credentials",
    token_url: `${world.issuer}/token`,
    token_endpoint_auth_method: "client_secret_basic",
    upstream_resource: "auto",
    scopes: ["mcp:read", "mcp:call"],
    credentials: { client_id: client.client_id, client_secret: client.client_secret },
    mcp_access_groups: ["engineering", "support"],
    mcp_info: { mcp_server_cost_info: { default_cost_per_query: 0.002 } },
  });
  await make({
    server_name: "Ticketing",
    url: world.mcp.replace(/:\d+/, ":9"),
    auth_type: "oauth2",
    oauth2_flow: "client_credentials",
    token_url: `${world.issuer}/token`,
    token_endpoint_auth_method: "client_secret_post",
    credentials: { client_id: client.client_id, client_secret: "not-the-secret" },
    mcp_access_groups: ["support"],
  });
  await make({
    server_name: "Calendar",
    url: world.mcp,
    auth_type: "oauth2",
    oauth2_flow: "authorization_code",
  });
  await make({
    server_name: "Search",
    url: "http://127.0.0.1:9/mcp?api_key=a1b2c3",
    auth_type: "bearer_token",
    credentials: { auth_value: "static-token" },
    disabled: true,
  });
  const keys = [];
  for (const key of [
    {
      name: "ci-release-notes",
      owner: "Platform",
      role: "caller",
      servers: [demo.server_id, weather.server_id],
      tools: { [demo.server_id]: ["echo", "add"] },
    },
    { name: "support-agent", owner: "Support", role: "caller", groups: ["support"], requests_per_minute: 120 },
    {
      name: "on-call dashboard",
      owner: "Operations",
      role: "viewer",
      expires_at: new Date(Date.now() + 40 * 86_400_000).toISOString(),
    },
  ]) {
    keys.push((await api(world, "POST", "/v1/keys", key)).body);
  }
  for (let i = 0; i < 24; i++) {
    const [server, name, args] = [
      ["demo", "add", { a: i, b: 2 }],
      ["weather", "echo", { message: "sunny" }],
      ["demo", "whoami", {}],
      ["weather", "add", { a: 1, b: i }],
    ][i % 4];
    await api(
      world,
      "POST",
      "/mcp-rest/tools/call",
      { server_id: server, name, arguments: args },
      i % 3 ? world.adminKey : keys[0].key,
    );
  }
  await api(world, "POST", "/mcp-rest/tools/call", { server_id: "ticketing", name: "echo", arguments: {} });
  await api(world, "PUT", `/v1/mcp/server/weather`, { description: "Forecasts, observations and warnings." });
  return { keys, secrets: [client.client_secret, ...keys.map((k) => k.key)] };
}
