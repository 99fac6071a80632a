// Narrowing and ordering of the list of servers.

import { credentialTag } from "../../domain/labels";

import type { Health, Server } from "../../api/types";

export const filters = [
  { value: "m2m", label: "M2M" },
  { value: "interactive", label: "Interactive" },
  { value: "static", label: "Static credential" },
  { value: "none", label: "No credential" },
  { value: "unhealthy", label: "Unhealthy" },
  { value: "disabled", label: "Disabled" },
] as const;

export const sorts = [
  { value: "name", label: "Name" },
  { value: "updated", label: "Last changed" },
  { value: "created", label: "Newest" },
  { value: "calls", label: "Most calls" },
] as const;

export interface ListContext {
  health: Map<string, Health> | undefined;
  calls: Record<string, number>;
}

function passes(server: Server, filter: string, { health }: ListContext): boolean {
  if (filter.startsWith("group:")) return server.mcp_access_groups?.includes(filter.slice(6)) ?? false;
  switch (filter) {
    case "disabled":
      return server.disabled === true;
    case "unhealthy":
      return health?.get(server.server_id)?.status === "error";
    default:
      return credentialTag(server).label.toLowerCase() === filter;
  }
}

/** The servers that the search text and the filter leave, in the order asked for. */
export function narrowed(
  servers: Server[],
  search: { q?: string; filter?: string; sort?: string },
  context: ListContext,
): Server[] {
  const words = (search.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const left = servers.filter((s) => {
    const text = [s.server_name, s.slug, s.alias, s.url, s.description, ...(s.mcp_access_groups ?? [])]
      .join(" ")
      .toLowerCase();
    return words.every((w) => text.includes(w)) && (!search.filter || passes(s, search.filter, context));
  });
  const by: Record<string, (a: Server, b: Server) => number> = {
    updated: (a, b) => b.updated_at.localeCompare(a.updated_at),
    created: (a, b) => b.created_at.localeCompare(a.created_at),
    calls: (a, b) => (context.calls[b.server_id] ?? 0) - (context.calls[a.server_id] ?? 0),
  };
  const order = by[search.sort ?? "name"] ?? ((a: Server, b: Server) => a.server_name.localeCompare(b.server_name));
  return left.sort(order);
}
