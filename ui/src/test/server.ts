import type { Server } from "../api/types";

/** An M2M server as the API answers it. */
export const server: Server = {
  server_id: "1",
  server_name: "Weather",
  slug: "weather",
  url: "https://mcp.example/mcp",
  transport: "http",
  auth_type: "oauth2",
  oauth2_flow: "client_credentials",
  client_id: "id",
  token_url: "https://idp.example/token",
  token_endpoint_auth_method: "client_secret_basic",
  allowed_tools: null,
  version: 3,
  has_secret: true,
  secrets: { client_secret: { set: true, last_rotated: "2026-01-01T00:00:00Z" } },
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
};
