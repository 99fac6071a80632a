import { expect, test } from "vitest";

import { draftOf, isAllowed, policyInput, sameDraft } from "./toolPolicy";

import type { Server } from "../api/types";

const server = {
  allowed_tools: null,
  mcp_info: {
    logo_url: "https://a.example/l.png",
    mcp_server_cost_info: { default_cost_per_query: 1, tool_name_to_cost_per_query: { add: 0.5 } },
  },
} as unknown as Server;

test("nothing ticked means nothing allowed", () => {
  const draft = { ...draftOf(server), allowed: [] };
  expect(isAllowed(draft, "add")).toBe(false);
  expect(policyInput(draft, server).allowed_tools).toEqual([]);
});

test("null means every tool, except those that are denied", () => {
  const draft = { ...draftOf(server), denied: ["drop"] };
  expect(isAllowed(draft, "add")).toBe(true);
  expect(isAllowed(draft, "drop")).toBe(false);
});

test("a price that is taken away leaves the rest of mcp_info", () => {
  const draft = draftOf(server);
  expect(policyInput({ ...draft, costs: {} }, server).mcp_info).toEqual({
    logo_url: "https://a.example/l.png",
    mcp_server_cost_info: { default_cost_per_query: 1 },
  });
  expect(policyInput(draft, server).mcp_info).toEqual(server.mcp_info);
});

test("a change is noticed, the order of entry is not a change", () => {
  const draft = draftOf(server);
  expect(sameDraft(draft, draftOf(server))).toBe(true);
  expect(sameDraft({ ...draft, names: { a: "1", b: "2" } }, { ...draft, names: { b: "2", a: "1" } })).toBe(true);
  expect(sameDraft({ ...draft, allowed: ["add"] }, draft)).toBe(false);
});
