// Ready configurations of well-known MCP clients.

export interface Snippet {
  id: string;
  label: string;
  /** Where the text goes. */
  where: string;
  text: string;
}

/** Configurations with this key for these addresses ("" is the aggregate of everything that the key may use). */
export function snippets(origin: string, key: string, slugs: string[]): Snippet[] {
  const entries = (slugs.length > 0 ? slugs : [""]).map((slug) => ({
    name: slug || "grantway",
    url: slug ? `${origin}/mcp/${slug}` : `${origin}/mcp`,
  }));
  const map = <T>(value: (e: { name: string; url: string }) => T) =>
    Object.fromEntries(entries.map((e) => [e.name, value(e)]));
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  const headers = { Authorization: `Bearer ${key}` };
  const first = entries[0] ?? { name: "grantway", url: `${origin}/mcp` };
  return [
    {
      id: "claude",
      label: "Claude Desktop",
      where:
        "claude_desktop_config.json (Settings → Developer → Edit Config); it reaches HTTP servers through mcp-remote.",
      text: json({
        mcpServers: map((e) => ({
          command: "npx",
          args: ["-y", "mcp-remote", e.url, "--header", "Authorization:${GRANTWAY_AUTHORIZATION}"],
          env: { GRANTWAY_AUTHORIZATION: `Bearer ${key}` },
        })),
      }),
    },
    {
      id: "cursor",
      label: "Cursor",
      where: ".cursor/mcp.json in the project, or ~/.cursor/mcp.json",
      text: json({ mcpServers: map((e) => ({ url: e.url, headers })) }),
    },
    {
      id: "vscode",
      label: "VS Code",
      where: ".vscode/mcp.json",
      text: json({ servers: map((e) => ({ type: "http", url: e.url, headers })) }),
    },
    {
      id: "curl",
      label: "curl",
      where: "A shell: lists the tools that the key may use.",
      text: `curl -sS "${origin}/mcp-rest/tools/list${slugs[0] ? `?server_id=${first.name}` : ""}" \\\n  -H "Authorization: Bearer ${key}"`,
    },
  ];
}
