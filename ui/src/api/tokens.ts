import { queryOptions } from "@tanstack/react-query";

import { request } from "./client";

export type TokenState = "valid" | "expiring" | "none" | "failing" | "misconfigured" | "per_caller" | "not_applicable";

/** What may be known of a server's token; no byte of it. */
export interface TokenStatus {
  server_id: string;
  state: TokenState;
  tier: "l1" | "l2" | "minter" | "none";
  identity?: string;
  issued_at: string | null;
  expires_at: string | null;
  next_refresh_at: string | null;
  generation: number;
  cause?: string;
  scope?: string;
  secret_used?: string;
  mints: number;
  attempts: number;
  last_error: TokenError | null;
  minter_reachable: boolean;
  discovered?: Discovery;
  message?: string;
  /** Newest first, where the gateway keeps them. */
  history?: TokenEvent[];
}

export interface TokenEvent {
  at: string;
  cause: string;
  ok?: boolean;
  code?: string;
  message?: string;
  expires_at?: string;
}

export interface TokenError {
  class: string;
  code: string;
  message: string;
  idp_status?: number;
  oauth_error?: string;
  at: string | null;
  failures: number;
  retry_at: string | null;
}

export interface Discovery {
  token_url?: string;
  issuer?: string;
  resource?: string;
  resource_metadata_url?: string;
  server_metadata_url?: string;
  scopes_supported?: string[];
  token_endpoint_auth_methods_supported?: string[];
  authorization_url?: string;
  registration_url?: string;
}

export interface TokenTest {
  ok: boolean;
  stage: "configuration" | "discovery" | "identity_provider" | "done";
  message: string;
  code?: string;
  class?: string;
  idp_status?: number;
  oauth_error?: string;
  idp_says?: string;
  retry_after?: number;
  token_url?: string;
  issuer?: string;
  resource?: string;
  token_endpoint_auth_method?: string;
  token_type?: string;
  expires_in?: number;
  life_assumed?: boolean;
  scope?: string;
  secret_used?: string;
  claims?: Record<string, unknown>;
  took_ms: number;
}

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
export const purgeToken = (id: string) => request<{ generation: number }>(path(id, "token"), { method: "DELETE" });
export const explainToken = (id: string) => request<Record<string, unknown>>(path(id, "explain"), { method: "POST" });
