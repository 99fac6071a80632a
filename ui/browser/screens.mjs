// Every screen, by a name, and how to get there from a signed-in page.

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
  ["settings", async (page, world) => open(page, world, "/settings", "Settings")],
  ["about", async (page, world) => open(page, world, "/about", "About")],
];

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
export async function furnish(world, api, registerClient) {
  const client = await registerClient(world);
  const make = async (record) => {
    const answer = await api(world, "POST", "/v1/mcp/server", { transport: "http", ...record });
    if (answer.status !== 201)
      throw new Error(`${record.server_name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const weather = await make({
    server_name: "Weather",
    url: world.mcp,
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
    url: "http://127.0.0.1:9/mcp",
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
  const { body: demo } = await api(world, "GET", "/v1/mcp/server/demo");
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
