import { ConnectionPanel } from "../connections/ConnectionPanel";

import type { Server } from "../../api/types";

/** Who is connected to an interactive server: the person at this screen, and the account that all callers share. */
export function Connection({ server }: { server: Server }) {
  const back = `/ui/servers/${server.server_id}?tab=token`;
  return (
    <div className="columns">
      <ConnectionPanel server={server} shared={false} returnTo={back} level={2} />
      <ConnectionPanel server={server} shared returnTo={back} level={2} />
    </div>
  );
}
