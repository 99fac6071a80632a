import { expect, test } from "vitest";

import {
  allowEvery,
  draftOf,
  forget,
  isAllowed,
  notOffered,
  parametersOf,
  policyInput,
  sameDraft,
  tick,
} from "./toolPolicy";

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

test("unticking while every tool is allowed makes an exception, and later tools stay allowed", () => {
  const draft = tick(draftOf(server), ["drop"], false);
  expect(policyInput(draft, server)).toMatchObject({ allowed_tools: null, disallowed_tools: ["drop"] });
  expect(policyInput(tick(draft, ["drop"], true), server)).toMatchObject({
    allowed_tools: null,
    disallowed_tools: null,
  });
});

test("among ticked tools only, ticking allows also what was denied", () => {
  const stored = { ...server, allowed_tools: ["add", "drop"], disallowed_tools: ["drop"] } as Server;
  const draft = draftOf(stored);
  expect(isAllowed(draft, "drop")).toBe(false);
  expect(policyInput(tick(draft, ["drop"], true), stored)).toMatchObject({
    allowed_tools: ["add", "drop"],
    disallowed_tools: null,
  });
  expect(policyInput(tick(draft, ["add"], false), stored).allowed_tools).toEqual(["drop"]);
});

test("from every tool to ticked ones: those that are allowed now; what is not offered stays denied", () => {
  const draft = { ...draftOf(server), denied: ["drop", "gone"] };
  const some = allowEvery(draft, false, ["add", "drop"]);
  expect([some.allowed, some.denied]).toEqual([["add"], ["gone"]]);
  expect(notOffered(some, ["add", "drop"])).toEqual(["gone"]);
  expect(allowEvery(some, true, ["add", "drop"]).allowed).toBeNull();
  expect(notOffered(forget(some, ["gone"]), ["add", "drop"])).toEqual([]);
});

test("a limit of no parameters is not the same as no limit", () => {
  const draft = { ...draftOf(server), parameters: { add: [] } };
  expect(policyInput(draft, server).allowed_params).toEqual({ add: [] });
  expect(policyInput(draftOf(server), server).allowed_params).toBeNull();
  expect(sameDraft(draft, draftOf(server))).toBe(false);
});

test("parameters are those of the tool's schema", () => {
  const tool = { inputSchema: { type: "object", properties: { b: {}, a: {} }, required: ["a"] } };
  expect(parametersOf(tool)).toEqual({ names: ["b", "a"], required: ["a"] });
  expect(parametersOf({ inputSchema: { type: "object" } })).toEqual({ names: [], required: [] });
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
  expect(sameDraft({ ...draft, parameters: { a: ["x", "y"] } }, { ...draft, parameters: { a: ["y", "x"] } })).toBe(
    true,
  );
  expect(sameDraft({ ...draft, allowed: ["add"] }, draft)).toBe(false);
  expect(sameDraft({ ...draft, denied: ["add"] }, draft)).toBe(false);
});
