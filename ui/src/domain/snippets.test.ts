import { expect, test } from "vitest";

import { snippets } from "./snippets";

const by = (origin: string, slugs: string[]) =>
  Object.fromEntries(snippets(origin, "gw_k", slugs).map((s) => [s.id, s.text])) as Record<string, string>;

test("each client gets the address and the key in its own form", () => {
  const texts = by("https://gw.example", ["a", "b"]);
  expect(JSON.parse(texts.cursor ?? "")).toEqual({
    mcpServers: {
      a: { url: "https://gw.example/mcp/a", headers: { Authorization: "Bearer gw_k" } },
      b: { url: "https://gw.example/mcp/b", headers: { Authorization: "Bearer gw_k" } },
    },
  });
  expect(JSON.parse(texts.claude ?? "").mcpServers.b).toEqual({
    command: "npx",
    args: ["-y", "mcp-remote", "https://gw.example/mcp/b", "--header", "Authorization:${GRANTWAY_AUTHORIZATION}"],
    env: { GRANTWAY_AUTHORIZATION: "Bearer gw_k" },
  });
  expect(texts["claude-code"]).toContain("claude mcp add --transport http a https://gw.example/mcp/a");
  expect(texts.curl).toContain("server_id=a");
  expect(texts.curl).toContain("server_id=b");
});

test("what is often committed has the key asked for", () => {
  const { inputs, servers } = JSON.parse(by("https://gw.example", ["a"]).vscode ?? "");
  expect(inputs).toMatchObject([{ type: "promptString", id: "grantway-key", password: true }]);
  expect(servers.a).toEqual({
    type: "http",
    url: "https://gw.example/mcp/a",
    headers: { Authorization: "Bearer ${input:grantway-key}" },
  });
});

test("plain http has to be allowed to mcp-remote", () => {
  expect(by("http://127.0.0.1:8787", []).claude).toContain("--allow-http");
  expect(by("https://gw.example", []).claude).not.toContain("--allow-http");
});

test("without servers the aggregate is used", () => {
  expect(by("https://gw.example", []).cursor).toContain('"url": "https://gw.example/mcp"');
  expect(by("https://gw.example", []).curl).not.toContain("server_id");
});
