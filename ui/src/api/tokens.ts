import { queryOptions } from "@tanstack/react-query";

import { request } from "./client";

import type { Explanation, Purged, TokenStatus } from "./types";

const path = (id: string, tail: string) => `/v1/mcp/server/${encodeURIComponent(id)}/${tail}`;

export const tokenQuery = (id: string) =>
  queryOptions({
    queryKey: ["token", id],
    queryFn: ({ signal }) => request<TokenStatus>(path(id, "token"), { signal }),
    refetchInterval: 30_000,
    staleTime: 10_000,
    retry: false,
  });

export const refreshToken = (id: string) => request<TokenStatus>(path(id, "token"), { method: "POST" });
export const purgeToken = (id: string) => request<Purged>(path(id, "token"), { method: "DELETE" });
export const explainToken = (id: string) => request<Explanation>(path(id, "explain"), { method: "POST" });
