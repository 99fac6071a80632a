import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { BulkRequest, BulkResult, Server, ServerInput, ServerList, Sparkline } from "./types";

/** Servers on one page of the list: the API's maximum. */
const PAGE = 200;

/** Every server, page by page. */
async function allServers(signal?: AbortSignal): Promise<Server[]> {
  const found: Server[] = [];
  let cursor: string | null = null;
  do {
    const page: ServerList = await request(`/v1/mcp/server${query({ limit: PAGE, sort: "server_name", cursor })}`, {
      signal,
    });
    found.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

export const serversQuery = queryOptions({
  queryKey: ["servers"],
  queryFn: ({ signal }) => allServers(signal),
  refetchInterval: 30_000,
});

export const serverQuery = (id: string) =>
  queryOptions({
    queryKey: ["server", id],
    queryFn: ({ signal }) => request<Server>(`/v1/mcp/server/${encodeURIComponent(id)}`, { signal }),
  });

export const sparklineQuery = queryOptions({
  queryKey: ["sparkline"],
  queryFn: ({ signal }) => request<Sparkline>("/v1/usage/sparkline", { signal }),
  refetchInterval: 60_000,
  retry: false,
});

export const createServer = (body: ServerInput) => request<Server>("/v1/mcp/server", { method: "POST", body });

export const updateServer = (id: string, body: ServerInput, version?: number) =>
  request<Server>(`/v1/mcp/server/${encodeURIComponent(id)}`, { method: "PUT", body, version });

export const deleteServer = (id: string) =>
  request<undefined>(`/v1/mcp/server/${encodeURIComponent(id)}`, { method: "DELETE" });

export const bulkServers = (body: BulkRequest) => request<BulkResult>("/v1/mcp/server/bulk", { method: "POST", body });
