import { queryOptions } from "@tanstack/react-query";

import { request } from "./client";

import type { Issuers, Republished, Reseal, Settings, SignInProvider } from "./types";

export type SettingsInput = { [Name in keyof Settings]?: Settings[Name] | null };

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => request<Settings>("/v1/settings", { signal }),
});

export const updateSettings = (body: SettingsInput, version: number) =>
  request<Settings>("/v1/settings", { method: "PUT", body, version });

export const reseal = () => request<Reseal>("/v1/settings/reseal", { method: "POST" });

export const resealQuery = queryOptions({
  queryKey: ["settings", "reseal"],
  queryFn: ({ signal }) => request<Reseal>("/v1/settings/reseal", { signal }),
  refetchInterval: (query) => (query.state.data?.state === "running" ? 1_000 : false),
});

export const republish = () => request<Republished>("/v1/settings/republish", { method: "POST" });

export const issuersQuery = queryOptions({
  queryKey: ["settings", "issuers"],
  queryFn: ({ signal }) => request<Issuers>("/v1/settings/issuers", { signal }),
});

export const updateIssuers = (list: Issuers["jwt_issuers"], version?: number) =>
  request<Issuers>("/v1/settings/issuers", { method: "PUT", body: { jwt_issuers: list }, version });

export const signInQuery = queryOptions({
  queryKey: ["settings", "sign-in"],
  queryFn: ({ signal }) => request<SignInProvider>("/v1/settings/sign-in", { signal }),
});

export const updateSignIn = (body: SignInProvider, version?: number) =>
  request<SignInProvider>("/v1/settings/sign-in", { method: "PUT", body, version });
