import { queryOptions } from "@tanstack/react-query";

import { ApiError, request } from "./client";

import type { Session, Version } from "./types";

/** The session, or null if nobody is signed in. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }): Promise<Session | null> => {
    try {
      return await request<Session>("/v1/session", { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: Infinity,
});

export const signIn = (key: string) => request<Session>("/v1/session", { method: "POST", body: { key } });

export const signOut = (everywhere: boolean) =>
  request<undefined>(`/v1/session${everywhere ? "?everywhere=true" : ""}`, { method: "DELETE" });

export const versionQuery = queryOptions({
  queryKey: ["version"],
  queryFn: ({ signal }) => request<Version>("/version", { signal }),
  staleTime: 5 * 60_000,
});
