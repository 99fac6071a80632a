import { queryOptions } from "@tanstack/react-query";

import { ApiError, query, request } from "./client";

import type { Session, SignInStatus, Version } from "./types";

// Says only that this browser signed in before: without it there is no session to ask for. It is no secret.
const MARK = "grantway-signed-in";

function mayBeSignedIn(): boolean {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    return true;
  }
}

function mark(signedIn: boolean): void {
  try {
    if (signedIn) localStorage.setItem(MARK, "1");
    else localStorage.removeItem(MARK);
  } catch {
    // Storage may be switched off; the session is then asked for each time.
  }
}

/** The session, or null if nobody is signed in. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: async ({ signal }): Promise<Session | null> => {
    if (!mayBeSignedIn()) return null;
    try {
      return await request<Session>("/v1/session", { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        mark(false);
        return null;
      }
      throw error;
    }
  },
  staleTime: Infinity,
});

export async function signIn(key: string): Promise<Session> {
  const session = await request<Session>("/v1/session", { method: "POST", body: { key } });
  mark(true);
  return session;
}

/** Whether people can sign in at an OpenID provider. */
export const signInStatusQuery = queryOptions({
  queryKey: ["sign-in-status"],
  queryFn: ({ signal }) => request<SignInStatus>("/signin/status", { signal }),
  retry: false,
});

/** Goes to the provider; the browser comes back to this page, signed in. */
export function signInAtProvider(url: string): void {
  mark(true);
  const back = window.location.pathname + window.location.search;
  window.location.assign(`${url}${query({ return_to: back })}`);
}

export async function signOut(everywhere: boolean): Promise<void> {
  await request<undefined>(`/v1/session${everywhere ? "?everywhere=true" : ""}`, { method: "DELETE" });
  mark(false);
}

export const versionQuery = queryOptions({
  queryKey: ["version"],
  queryFn: ({ signal }) => request<Version>("/version", { signal }),
  staleTime: 5 * 60_000,
});
