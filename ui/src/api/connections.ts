import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

/** A person's sign-in at an interactive server, without a byte of its tokens. */
export interface ConnectionStatus {
  connected: boolean;
  ended?: boolean;
  shared: boolean;
  account?: string;
  issuer?: string;
  scope?: string;
  wanted_scopes?: string[];
  connected_by?: string;
  connected_at: string | null;
  expires_at: string | null;
  renewable: boolean;
  last_error?: string;
}

const path = (id: string, tail: string) => `/v1/mcp/server/${encodeURIComponent(id)}/${tail}`;

export const connectionQuery = (id: string, shared: boolean) =>
  queryOptions({
    queryKey: ["connection", id, shared],
    queryFn: ({ signal }) =>
      request<ConnectionStatus>(`${path(id, "connection")}${query({ shared: shared || undefined })}`, { signal }),
    retry: false,
  });

/** Begins a sign-in; answers the address of the authorization server to go to. */
export const connect = (id: string, shared: boolean, returnTo: string) =>
  request<{ authorization_url: string }>(path(id, "connect"), {
    method: "POST",
    body: { shared, return_to: returnTo },
  });

export const disconnect = (id: string, shared: boolean) =>
  request<unknown>(`${path(id, "connection")}${query({ shared: shared || undefined })}`, { method: "DELETE" });
