import { useQueryClient } from "@tanstack/react-query";

import { deleteServer } from "../../api/servers";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { done } from "../../components/notices";

import type { Server } from "../../api/types";

interface Props {
  server: Server;
  opened: boolean;
  onClose: () => void;
  onDeleted?: () => void;
}

/** Asks before a server is deleted, and says what goes with it. */
export function DeleteServer({ server, opened, onClose, onDeleted }: Props) {
  const client = useQueryClient();
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={`Delete ${server.server_name}?`}
      action="Delete server"
      typed={server.slug}
      run={async () => {
        await deleteServer(server.server_id);
        await client.invalidateQueries({ queryKey: ["servers"] });
        done(`${server.server_name} was deleted.`);
        onDeleted?.();
      }}
    >
      This cannot be undone. Lost are the server's settings, {server.has_secret ? "its stored credentials, " : ""}its
      tokens, and the grants of every key to it. Calls to <code>/mcp/{server.slug}</code> fail at once. The audit log
      keeps its history.
    </ConfirmDialog>
  );
}
