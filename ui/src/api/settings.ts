import { queryOptions } from "@tanstack/react-query";

import { request } from "./client";

import type { Reseal, Settings } from "./types";

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

export const republish = () => request<{ servers: number; keys: number }>("/v1/settings/republish", { method: "POST" });
