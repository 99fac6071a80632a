import { createContext, useContext } from "react";

import type { Session } from "../api/types";

export const SessionContext = createContext<Session | null>(null);

/** The signed-in principal; only below the shell. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("useSession outside a signed-in page");
  return session;
}

/** May this person change things? */
export function useIsAdmin(): boolean {
  return useContext(SessionContext)?.principal.role === "admin";
}
