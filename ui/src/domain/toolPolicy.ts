// Which tools of a server callers may use, with which parameters, and how they are shown to them.

import type { Server, ServerInput } from "../api/types";

export interface ToolDraft {
  /** null: every tool, also later ones; an empty list: none. */
  allowed: string[] | null;
  /** Never allowed, whatever else says. */
  denied: string[];
  /** The only parameters that callers may set, by tool; a tool that is not in it takes any. */
  parameters: Record<string, string[]>;
  names: Record<string, string>;
  descriptions: Record<string, string>;
  /** As entered. */
  costs: Record<string, string>;
}

/** The fields of a server that the draft is of. */
export const policyFields = [
  "allowed_tools",
  "disallowed_tools",
  "allowed_params",
  "tool_name_to_display_name",
  "tool_name_to_description",
  "mcp_info.mcp_server_cost_info.tool_name_to_cost_per_query",
] as const;

export function draftOf(server: Server): ToolDraft {
  const costs = server.mcp_info?.mcp_server_cost_info?.tool_name_to_cost_per_query ?? {};
  return {
    allowed: server.allowed_tools ? [...server.allowed_tools].sort() : null,
    denied: [...(server.disallowed_tools ?? [])].sort(),
    parameters: { ...server.allowed_params },
    names: { ...server.tool_name_to_display_name },
    descriptions: { ...server.tool_name_to_description },
    costs: Object.fromEntries(Object.entries(costs).map(([tool, cost]) => [tool, String(cost)])),
  };
}

export const isAllowed = (draft: ToolDraft, tool: string): boolean =>
  (draft.allowed === null || draft.allowed.includes(tool)) && !draft.denied.includes(tool);

/** Ticks or unticks tools. While every tool is allowed, what is unticked is an exception from that. */
export function tick(draft: ToolDraft, tools: string[], on: boolean): ToolDraft {
  const without = (list: string[]) => list.filter((name) => !tools.includes(name));
  const withThem = (list: string[]) => [...without(list), ...tools].sort();
  if (draft.allowed === null) return { ...draft, denied: on ? without(draft.denied) : withThem(draft.denied) };
  return on
    ? { ...draft, allowed: withThem(draft.allowed), denied: without(draft.denied) }
    : { ...draft, allowed: without(draft.allowed) };
}

/** Allows every tool, or from now on only those that are ticked. offered are the tools that the server has. */
export function allowEvery(draft: ToolDraft, on: boolean, offered: string[]): ToolDraft {
  // What the server does not offer cannot be ticked; it stays denied.
  const denied = draft.denied.filter((name) => !offered.includes(name));
  return { ...draft, denied, allowed: on ? null : offered.filter((name) => isAllowed(draft, name)).sort() };
}

/** Names in the lists that the server does not offer: renamed, gone, or not there yet. */
export const notOffered = (draft: ToolDraft, offered: string[]): string[] =>
  [...new Set([...(draft.allowed ?? []), ...draft.denied])].filter((name) => !offered.includes(name)).sort();

/** Takes names out of every list. */
export const forget = (draft: ToolDraft, names: string[]): ToolDraft => ({
  ...draft,
  allowed: draft.allowed?.filter((name) => !names.includes(name)) ?? null,
  denied: draft.denied.filter((name) => !names.includes(name)),
});

interface Parameters {
  /** In the order of the tool's JSON Schema. */
  names: string[];
  required: string[];
}

/** The parameters of a tool, by its JSON Schema. */
export function parametersOf(tool: { inputSchema?: unknown }): Parameters {
  const schema = tool.inputSchema as { properties?: Record<string, unknown>; required?: string[] } | undefined;
  return { names: Object.keys(schema?.properties ?? {}), required: schema?.required ?? [] };
}

const ordered = <T>(record: Record<string, T>) => Object.entries(record).sort(([a], [b]) => a.localeCompare(b));

const comparable = (d: ToolDraft): string =>
  JSON.stringify([
    d.allowed,
    d.denied,
    ordered(d.parameters).map(([tool, names]) => [tool, [...names].sort()]),
    ordered(d.names),
    ordered(d.descriptions),
    ordered(d.costs),
  ]);

export const sameDraft = (a: ToolDraft, b: ToolDraft): boolean => comparable(a) === comparable(b);

/** The change of the server that the draft means. Nothing ticked stays an empty list: it never becomes "all". */
export function policyInput(draft: ToolDraft, server: Server): ServerInput {
  const orNull = <T extends object>(record: T): T | null => (Object.keys(record).length > 0 ? record : null);
  const info = structuredClone(server.mcp_info ?? {});
  const perTool = Object.fromEntries(Object.entries(draft.costs).map(([tool, cost]) => [tool, Number(cost)]));
  const cost = { ...info.mcp_server_cost_info };
  delete cost.tool_name_to_cost_per_query;
  if (Object.keys(perTool).length > 0) cost.tool_name_to_cost_per_query = perTool;
  delete info.mcp_server_cost_info;
  if (Object.keys(cost).length > 0) info.mcp_server_cost_info = cost;
  return {
    allowed_tools: draft.allowed,
    disallowed_tools: orNull(draft.denied),
    allowed_params: orNull(draft.parameters),
    tool_name_to_display_name: orNull(draft.names),
    tool_name_to_description: orNull(draft.descriptions),
    mcp_info: orNull(info),
  };
}
