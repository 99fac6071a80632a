import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { bulkServers } from "../../api/servers";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { done, failed } from "../../components/notices";
import classes from "./ServersPage.module.css";

import type { BulkRequest, Server } from "../../api/types";

/** The API takes this many at once. */
const MOST = 200;

/** What can be done with the selected servers together. */
export function BulkBar({ servers, onDone }: { servers: Server[]; onDone: () => void }) {
  const client = useQueryClient();
  const [deleting, setDeleting] = useState(false);
  const [busy, setBusy] = useState(false);
  const words = { enable: "enabled", disable: "disabled", delete: "deleted" } as const;
  const apply = async (action: BulkRequest["action"]) => {
    const ids = servers.map((s) => s.server_id);
    let changed = 0;
    for (let i = 0; i < ids.length; i += MOST) {
      const { results } = await bulkServers({ action, server_ids: ids.slice(i, i + MOST) });
      changed += results.filter((r) => r.status === "done").length;
    }
    await client.invalidateQueries({ queryKey: ["servers"] });
    const rest = ids.length - changed;
    done(`${changed} ${words[action]}.${rest > 0 ? ` ${rest} could not be: they come from a file, or are gone.` : ""}`);
    onDone();
  };
  const run = (action: BulkRequest["action"]) => {
    setBusy(true);
    apply(action)
      .catch((error: unknown) => failed("Nothing was changed", error))
      .finally(() => setBusy(false));
  };
  return (
    <div className={classes.bulk} role="region" aria-label="Selected servers">
      {servers.length} selected
      <Button size="compact-sm" variant="default" onClick={() => run("enable")} disabled={busy}>
        Enable
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => run("disable")} disabled={busy}>
        Disable
      </Button>
      <Button size="compact-sm" color="red" onClick={() => setDeleting(true)} disabled={busy}>
        Delete…
      </Button>
      <Button size="compact-sm" variant="subtle" onClick={onDone}>
        Clear
      </Button>
      <ConfirmDialog
        opened={deleting}
        onClose={() => setDeleting(false)}
        title={`Delete ${servers.length} servers?`}
        action={`Delete ${servers.length} servers`}
        typed={String(servers.length)}
        run={() => apply("delete")}
      >
        This cannot be undone. Lost are the settings, stored credentials, tokens and grants of{" "}
        {servers
          .slice(0, 8)
          .map((s) => s.server_name)
          .join(", ")}
        {servers.length > 8 ? ` and ${servers.length - 8} more` : ""}.
      </ConfirmDialog>
    </div>
  );
}
