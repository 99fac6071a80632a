import type { Server } from "../../../api/types";

/** The same call for a shell. The key is the reader's own: it is taken from a variable, never written out. */
export function curlOf(
  server: Pick<Server, "slug">,
  tool: string,
  args: unknown,
  origin = window.location.origin,
): string {
  const body = JSON.stringify({ server_id: server.slug, name: tool, arguments: args ?? {} });
  return [
    `curl -sS ${origin}/mcp-rest/tools/call`,
    `  -H "Authorization: Bearer $GRANTWAY_KEY"`,
    `  -H 'Content-Type: application/json'`,
    `  -d '${body.replaceAll("'", `'\\''`)}'`,
  ].join(" \\\n");
}
