import { expect, test } from "vitest";

import { snippets } from "./snippets";

test("each client gets the address and the key in its own form", () => {
  const by = Object.fromEntries(snippets("https://gw.example", "gw_k", ["a", "b"]).map((s) => [s.id, s.text]));
  expect(JSON.parse(by.cursor ?? "")).toEqual({
    mcpServers: {
      a: { url: "https://gw.example/mcp/a", headers: { Authorization: "Bearer gw_k" } },
      b: { url: "https://gw.example/mcp/b", headers: { Authorization: "Bearer gw_k" } },
    },
  });
  expect(JSON.parse(by.vscode ?? "").servers.a.type).toBe("http");
  expect(JSON.parse(by.claude ?? "").mcpServers.b.args).toContain("https://gw.example/mcp/b");
  expect(by.curl).toContain("server_id=a");
});

test("without servers the aggregate is used", () => {
  expect(snippets("https://gw.example", "gw_k", [])[1]?.text).toContain('"url": "https://gw.example/mcp"');
});
