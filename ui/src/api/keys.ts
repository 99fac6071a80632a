import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { Key, KeyInput, KeyList } from "./types";

async function allKeys(signal?: AbortSignal): Promise<Key[]> {
  const found: Key[] = [];
  let cursor: string | null = null;
  do {
    const page: KeyList = await request(`/v1/keys${query({ limit: 200, cursor })}`, { signal });
    found.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor);
  return found;
}

export const keysQuery = queryOptions({ queryKey: ["keys"], queryFn: ({ signal }) => allKeys(signal) });

const path = (id: string) => `/v1/keys/${encodeURIComponent(id)}`;

export const createKey = (body: KeyInput) => request<Key>("/v1/keys", { method: "POST", body });
export const updateKey = (key: Key, body: KeyInput) =>
  request<Key>(path(key.id), { method: "PUT", body, version: key.version });
export const revokeKey = (id: string) => request<undefined>(path(id), { method: "DELETE" });
export const rotateKey = (id: string, overlapSeconds: number) =>
  request<Key>(`${path(id)}/rotate`, { method: "POST", body: { overlap_seconds: overlapSeconds } });
