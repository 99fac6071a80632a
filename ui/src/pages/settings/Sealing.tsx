import { Button, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { republish, reseal, resealQuery, settingsQuery } from "../../api/settings";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { ErrorPanel } from "../../components/ErrorPanel";
import { done } from "../../components/notices";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { Fact } from "../server/Overview";
import classes from "./Settings.module.css";

import type { Settings } from "../../api/types";

export function Sealing({ settings }: { settings: Settings }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
  const { sealing } = settings;
  const progress = useQuery({ ...resealQuery, initialData: sealing.reseal });
  const state = progress.data;
  const [asking, setAsking] = useState(false);
  // At its end the numbers by key are others.
  useEffect(() => {
    if (state.finished_at) void client.invalidateQueries({ queryKey: settingsQuery.queryKey, exact: true });
  }, [client, state.finished_at]);
  const again = useMutation({
    mutationFn: republish,
    onSuccess: (n) => done(`${n.servers} servers and ${n.keys} keys are being published again.`),
  });
  const old = Object.entries(sealing.secrets_by_key_id).filter(([id, n]) => id !== sealing.current_key_id && n > 0);
  const running = state.state === "running";
  return (
    <section className="panel stack" aria-labelledby="sealing">
      <div className="row-apart">
        <Title order={2} id="sealing">
          Sealing key
        </Title>
        {admin && (
          <Button variant="default" size="compact-sm" loading={running} onClick={() => setAsking(true)}>
            Re-seal secrets…
          </Button>
        )}
      </div>
      <span className="soft">
        Secrets and tokens are kept encrypted with it (AES-256-GCM). To change it, put the new key into{" "}
        <code>GRANTWAY_SEALING_KEY</code> and the old one into <code>GRANTWAY_SEALING_KEY_PREVIOUS</code>, then re-seal.
      </span>
      <dl className="facts">
        <Fact name="Current key">
          <code>{sealing.current_key_id}</code>{" "}
          <Tag tone="good">{sealing.secrets_by_key_id[sealing.current_key_id] ?? 0} secrets</Tag>
        </Fact>
        {old.map(([id, n]) => (
          <Fact key={id} name="Older key">
            <code>{id}</code> <Tag tone="warn">{n} secrets, to be re-sealed</Tag>
          </Fact>
        ))}
      </dl>
      {old.length === 0 && (
        <span className="soft">
          Every secret is sealed with the current key: older keys can be taken out of the environment.
        </span>
      )}
      {state.state !== "idle" && (
        <div className="stack-s" role="status">
          <span>
            {running ? "Re-sealing" : state.state === "done" ? "Re-sealed" : "Re-sealing ended with problems"}:{" "}
            {state.done} of {state.total}
            {state.finished_at && (
              <>
                {" · "}
                <TimeAgo time={state.finished_at} />
              </>
            )}
          </span>
          {running && (
            <progress
              className={classes.progress}
              max={Math.max(1, state.total)}
              value={state.done}
              aria-label="Re-sealing"
            />
          )}
          {state.failed.length > 0 && (
            <ul className={classes.failed}>
              {state.failed.map((f) => (
                <li key={f.server_id}>
                  <code>{f.server_id}</code>: {f.code}. Enter its secret again, or bring back the key that it was sealed
                  with.
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
      {admin && (
        <div className="row">
          <Button variant="default" size="compact-sm" loading={again.isPending} onClick={() => again.mutate()}>
            Publish everything again
          </Button>
          <span className="soft">Rebuilds the copies that calls are served from. Only needed if they were lost.</span>
        </div>
      )}
      {again.error && <ErrorPanel error={again.error} />}
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        title="Re-seal every secret?"
        action="Re-seal"
        harmless
        run={async () => {
          client.setQueryData(resealQuery.queryKey, await reseal());
          void client.invalidateQueries({ queryKey: ["settings"] });
        }}
      >
        Every stored secret is opened and sealed again with the current key, in the background. Calls go on meanwhile,
        and nothing is lost if it is interrupted.
      </ConfirmDialog>
    </section>
  );
}
