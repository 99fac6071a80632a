import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { Health } from "./types";

const health = (ids: string | undefined, signal?: AbortSignal) =>
  request<Health[]>(`/v1/mcp/server/health${query({ server_ids: ids })}`, { signal });

/** Health of every server, as checked now. Each check costs a call to each server, so it is not repeated often. */
export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: async ({ signal }) => new Map((await health(undefined, signal)).map((h) => [h.server_id ?? "", h])),
  staleTime: 60_000,
  refetchInterval: 120_000,
  retry: false,
});

/** Checks one server now. */
export async function checkHealth(id: string): Promise<Health | undefined> {
  return (await health(id))[0];
}
