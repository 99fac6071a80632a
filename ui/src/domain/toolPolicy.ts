// Which tools of a server callers may use, and how they are shown to them.

import type { Server, ServerInput } from "../api/types";

export interface ToolDraft {
  /** null: every tool, also later ones; an empty list: none. */
  allowed: string[] | null;
  denied: string[];
  names: Record<string, string>;
  descriptions: Record<string, string>;
  /** As entered. */
  costs: Record<string, string>;
}

export function draftOf(server: Server): ToolDraft {
  const costs = server.mcp_info?.mcp_server_cost_info?.tool_name_to_cost_per_query ?? {};
  return {
    allowed: server.allowed_tools ? [...server.allowed_tools].sort() : null,
    denied: server.disallowed_tools ?? [],
    names: { ...server.tool_name_to_display_name },
    descriptions: { ...server.tool_name_to_description },
    costs: Object.fromEntries(Object.entries(costs).map(([tool, cost]) => [tool, String(cost)])),
  };
}

export const isAllowed = (draft: ToolDraft, tool: string): boolean =>
  (draft.allowed === null || draft.allowed.includes(tool)) && !draft.denied.includes(tool);

const ordered = (record: Record<string, string>) => Object.entries(record).sort(([a], [b]) => a.localeCompare(b));

export const sameDraft = (a: ToolDraft, b: ToolDraft): boolean =>
  JSON.stringify([a.allowed, ordered(a.names), ordered(a.descriptions), ordered(a.costs)]) ===
  JSON.stringify([b.allowed, ordered(b.names), ordered(b.descriptions), ordered(b.costs)]);

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
    tool_name_to_display_name: orNull(draft.names),
    tool_name_to_description: orNull(draft.descriptions),
    mcp_info: orNull(info),
  };
}
