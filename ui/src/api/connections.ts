import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { Authorization, Connection, Connections } from "./types";

const path = (id: string, tail: string) => `/v1/mcp/server/${encodeURIComponent(id)}/${tail}`;

/** Own and shared connections of every interactive server that the person may use. */
export const connectionsQuery = queryOptions({
  queryKey: ["connection"],
  queryFn: ({ signal }) => request<Connections>("/v1/connections", { signal }),
});

export const connectionQuery = (id: string, shared: boolean) =>
  queryOptions({
    queryKey: ["connection", id, shared],
    queryFn: ({ signal }) =>
      request<Connection>(`${path(id, "connection")}${query({ shared: shared || undefined })}`, { signal }),
    retry: false,
  });

/** Begins a sign-in; answers the address of the authorization server to go to. */
export const connect = (id: string, shared: boolean, returnTo: string) =>
  request<Authorization>(path(id, "connect"), { method: "POST", body: { shared, return_to: returnTo } });

export const disconnect = (id: string, shared: boolean) =>
  request<undefined>(`${path(id, "connection")}${query({ shared: shared || undefined })}`, { method: "DELETE" });
