import { Button, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { connect, connectionQuery, disconnect } from "../../api/connections";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { ErrorPanel } from "../../components/ErrorPanel";
import { done } from "../../components/notices";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { Fact } from "./Overview";

import type { Server } from "../../api/types";

/** Who is signed in at an interactive server: the person at this screen, and the account that all callers share. */
export function Connection({ server }: { server: Server }) {
  return (
    <div className="columns">
      <One server={server} shared={false} />
      <One server={server} shared />
    </div>
  );
}

function One({ server, shared }: { server: Server; shared: boolean }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
  const status = useQuery({ ...connectionQuery(server.server_id, shared), refetchInterval: 30_000 });
  const [leaving, setLeaving] = useState(false);
  const begin = useMutation({
    mutationFn: () => connect(server.server_id, shared, `/ui/servers/${server.server_id}?tab=token`),
    onSuccess: ({ authorization_url }) => window.location.assign(authorization_url),
  });
  const c = status.data;
  const id = shared ? "shared-connection" : "own-connection";
  const may = admin || !shared;
  return (
    <section className="panel stack" aria-labelledby={id}>
      <div className="row-apart">
        <Title order={2} id={id}>
          {shared ? "Shared account" : "Your account"}
        </Title>
        {c && (
          <Tag tone={c.connected ? (c.ended ? "warn" : "good") : "plain"}>
            {c.connected ? (c.ended ? "Sign in again" : "Connected") : "Not connected"}
          </Tag>
        )}
      </div>
      <span className="soft">
        {shared
          ? "Used for callers who have not signed in themselves, such as agents."
          : "Used for calls that you make, in the playground too. Other callers sign in at /connect."}
      </span>
      {status.error && <ErrorPanel title="The connection could not be read" error={status.error} />}
      {c?.connected && (
        <dl className="facts">
          {c.account && <Fact name="Account">{c.account}</Fact>}
          <Fact name="Signed in">
            <TimeAgo time={c.connected_at} />
          </Fact>
          {c.scope && <Fact name="Scopes">{c.scope}</Fact>}
          {c.expires_at && (
            <Fact name="Token ends">
              <TimeAgo time={c.expires_at} /> {c.renewable && <span className="soft">· renewed by itself</span>}
            </Fact>
          )}
        </dl>
      )}
      {c?.last_error && <ErrorPanel title="It could not be renewed" error={new Error(c.last_error)} />}
      {begin.error && <ErrorPanel title="The sign-in did not begin" error={begin.error} />}
      {may && (
        <div className="row">
          <Button
            variant={c?.connected && !c.ended ? "default" : "filled"}
            loading={begin.isPending}
            disabled={server.disabled}
            onClick={() => begin.mutate()}
          >
            {c?.connected ? "Sign in again" : "Sign in"}
          </Button>
          {c?.connected && (
            <Button variant="default" c="var(--bad)" onClick={() => setLeaving(true)}>
              Disconnect…
            </Button>
          )}
        </div>
      )}
      <ConfirmDialog
        opened={leaving}
        onClose={() => setLeaving(false)}
        title={`Disconnect from ${server.server_name}?`}
        action="Disconnect"
        run={async () => {
          await disconnect(server.server_id, shared);
          await client.invalidateQueries({ queryKey: ["connection", server.server_id] });
          done("Disconnected.");
        }}
      >
        The stored tokens are thrown away
        {shared ? ", and callers without an account of their own are refused until somebody signs in again" : ""}.
      </ConfirmDialog>
    </section>
  );
}
