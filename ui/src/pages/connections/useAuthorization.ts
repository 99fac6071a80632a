import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { connect, connectionQuery } from "../../api/connections";

import type { Connection } from "../../api/types";

/** On it the window of a sign-in tells the others that it is done: they cannot reach each other in any other way. */
export const CHANNEL = "grantway-connected";

/** How often the gateway is asked while a sign-in goes on in another window, in milliseconds. */
const POLL = 2_000;

interface Authorization {
  /** What is known of the connection. */
  status: Connection | undefined;
  error: Error | null;
  /** Begins a sign-in, in a window of its own if the browser allows it, else in this one. */
  begin: () => void;
  /** The address is being asked for. */
  starting: boolean;
  problem: Error | null;
  /** A sign-in goes on in another window; where it began, to go there in this one. */
  waiting: string | undefined;
  stop: () => void;
}

/** A person's sign-in at an interactive server, from the button to the token. */
export function useAuthorization(server: string, shared: boolean, returnTo: string): Authorization {
  const client = useQueryClient();
  const [waiting, setWaiting] = useState<{ url: string; since: string | null }>();
  const query = useQuery({
    ...connectionQuery(server, shared),
    refetchInterval: (q) => {
      // The sign-in is done once there is a newer connection than when it began.
      const done = q.state.data?.connected && !q.state.data.ended && q.state.data.connected_at !== waiting?.since;
      return waiting && !done ? POLL : 30_000;
    },
  });
  const status = query.data;
  const finished =
    waiting !== undefined && status?.connected === true && !status.ended && status.connected_at !== waiting.since;
  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = () => void client.invalidateQueries({ queryKey: ["connection"] });
    return () => channel.close();
  }, [client]);
  const start = useMutation({
    mutationFn: async (popup: Window | null) => {
      try {
        const { authorization_url } = await connect(server, shared, popup ? "/ui/connected" : returnTo);
        if (popup) popup.location.replace(authorization_url);
        else window.location.assign(authorization_url);
        return authorization_url;
      } catch (error) {
        popup?.close();
        throw error;
      }
    },
    onSuccess: (url, popup) => {
      if (popup) setWaiting({ url, since: status?.connected_at ?? null });
    },
  });
  return {
    status,
    error: query.error,
    // The window has to be opened by the click itself; its address follows.
    begin: () => start.mutate(window.open("", "_blank", "popup,width=560,height=760")),
    starting: start.isPending,
    problem: start.error,
    waiting: finished ? undefined : waiting?.url,
    stop: () => setWaiting(undefined),
  };
}
