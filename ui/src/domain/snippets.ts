// Ready configurations of well-known MCP clients.

export interface Snippet {
  id: string;
  label: string;
  /** Where the text goes. */
  where: string;
  text: string;
}

/** Configurations with this key for these addresses; without one, for the aggregate of everything that the key may use. */
export function snippets(origin: string, key: string, slugs: string[]): Snippet[] {
  const entries = (slugs.length > 0 ? slugs : [""]).map((slug) => ({
    name: slug || "grantway",
    url: slug ? `${origin}/mcp/${slug}` : `${origin}/mcp`,
  }));
  const map = <T>(value: (e: { name: string; url: string }) => T) =>
    Object.fromEntries(entries.map((e) => [e.name, value(e)]));
  const json = (value: unknown) => JSON.stringify(value, null, 2);
  const authorization = `Bearer ${key}`;
  // mcp-remote refuses plain http, as on one's own machine, unless it is told to.
  const plain = origin.startsWith("http:") ? ["--allow-http"] : [];
  return [
    {
      id: "claude",
      label: "Claude Desktop",
      where:
        "claude_desktop_config.json (Settings → Developer → Edit Config). That file takes programs only, so mcp-remote (Node.js) reaches the address.",
      text: json({
        mcpServers: map((e) => ({
          command: "npx",
          args: ["-y", "mcp-remote", e.url, ...plain, "--header", "Authorization:${GRANTWAY_AUTHORIZATION}"],
          env: { GRANTWAY_AUTHORIZATION: authorization },
        })),
      }),
    },
    {
      id: "claude-code",
      label: "Claude Code",
      where: "A shell, in the project; --scope user for every project.",
      text: entries
        .map(
          (e) => `claude mcp add --transport http ${e.name} ${e.url} \\\n  --header "Authorization: ${authorization}"`,
        )
        .join("\n"),
    },
    {
      id: "cursor",
      label: "Cursor",
      where: ".cursor/mcp.json in the project, or ~/.cursor/mcp.json for every project. Do not commit it with the key.",
      text: json({ mcpServers: map((e) => ({ url: e.url, headers: { Authorization: authorization } })) }),
    },
    {
      id: "vscode",
      label: "VS Code",
      where:
        ".vscode/mcp.json, which may be committed: VS Code asks for the key once and keeps it. “MCP: Open User Configuration” for every project.",
      text: json({
        inputs: [
          { type: "promptString", id: "grantway-key", description: "Grantway access key (gw_…)", password: true },
        ],
        servers: map((e) => ({
          type: "http",
          url: e.url,
          headers: { Authorization: "Bearer ${input:grantway-key}" },
        })),
      }),
    },
    {
      id: "curl",
      label: "curl",
      where: "A shell: lists the tools that the key may use.",
      text: entries
        .map(
          (e) =>
            `curl -sS "${origin}/mcp-rest/tools/list${slugs.length > 0 ? `?server_id=${e.name}` : ""}" \\\n  -H "Authorization: ${authorization}"`,
        )
        .join("\n"),
    },
  ];
}
