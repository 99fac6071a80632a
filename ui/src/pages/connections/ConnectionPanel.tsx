import { Button, Loader, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";

import { disconnect } from "../../api/connections";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { ErrorPanel } from "../../components/ErrorPanel";
import { done } from "../../components/notices";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { useAuthorization } from "./useAuthorization";

import type { Connection } from "../../api/types";
import type { Tone } from "../../components/Tag";

interface Props {
  server: { server_id: string; server_name: string; disabled?: boolean };
  shared: boolean;
  /** A path below /ui/ to come back to, where no window of its own can be opened. */
  returnTo: string;
  level: 2 | 3;
}

function stateOf(c: Connection): [Tone, string] {
  if (c.ended) return ["warn", "To be authorized again"];
  return c.connected ? ["good", "Connected"] : ["plain", "Not connected"];
}

/** One connection to an interactive server: that of the person at this screen, or the one that all callers share. */
export function ConnectionPanel({ server, shared, returnTo, level }: Props) {
  const may = useIsAdmin() || !shared;
  const client = useQueryClient();
  const title = useId();
  const [leaving, setLeaving] = useState(false);
  const authorization = useAuthorization(server.server_id, shared, returnTo);
  const { status: c, waiting } = authorization;
  const has = c?.connected === true || c?.ended === true;
  const again = has ? "Authorize again" : shared ? "Authorize & fetch token" : "Connect";
  return (
    <section className="panel stack" aria-labelledby={title}>
      <div className="row-apart">
        <Title order={level} id={title}>
          {shared ? "Shared account" : "Your account"}
        </Title>
        {c && <Tag tone={stateOf(c)[0]}>{stateOf(c)[1]}</Tag>}
      </div>
      <span className="soft">
        {shared
          ? "Used for callers that have no account of their own connected, such as agents."
          : "Used for calls that you make, in the playground too. Other callers connect theirs at /connect."}
      </span>
      {authorization.error && <ErrorPanel title="The connection could not be read" error={authorization.error} />}
      {c && has && <Summary connection={c} />}
      {c?.wanted_scopes && c.wanted_scopes.length > 0 && (
        <span>
          The server asks for more: <code>{c.wanted_scopes.join(" ")}</code>. Authorize again to grant it.
        </span>
      )}
      {c?.last_error && <ErrorPanel title="The token could not be renewed" error={new Error(c.last_error)} />}
      {authorization.problem && <ErrorPanel title="The sign-in did not begin" error={authorization.problem} />}
      {waiting && (
        <div role="status" className="row">
          <Loader size="xs" aria-hidden />
          Waiting for the authorization in the other window…
          <a href={waiting}>Go on in this window</a>
          <Button size="compact-sm" variant="default" onClick={authorization.stop}>
            Stop waiting
          </Button>
        </div>
      )}
      {may ? (
        <div className="row">
          <Button
            variant={has && !c?.ended ? "default" : "filled"}
            loading={authorization.starting}
            disabled={server.disabled}
            onClick={authorization.begin}
          >
            {again}
          </Button>
          {has && (
            <Button variant="default" c="var(--bad)" onClick={() => setLeaving(true)}>
              Disconnect…
            </Button>
          )}
          {server.disabled && <span className="soft">The server is disabled.</span>}
        </div>
      ) : (
        <span className="soft">Only an administrator can change it.</span>
      )}
      <ConfirmDialog
        opened={leaving}
        onClose={() => setLeaving(false)}
        title={`Disconnect from ${server.server_name}?`}
        action="Disconnect"
        run={async () => {
          await disconnect(server.server_id, shared);
          await client.invalidateQueries({ queryKey: ["connection"] });
          done(`Disconnected from ${server.server_name}.`);
        }}
      >
        The tokens{c?.account ? ` of ${c.account}` : ""} are thrown away here, and revoked at the authorization server
        if it has a way to.
        {shared
          ? " Callers without an account of their own are refused until somebody authorizes again."
          : " Your calls need a new authorization."}
      </ConfirmDialog>
    </section>
  );
}

/** "Connected as alice, expires in 59 min." */
function Summary({ connection: c }: { connection: Connection }) {
  return (
    <div className="stack-s">
      <span>
        {c.ended ? "Was connected" : "Connected"}
        {c.account && (
          <>
            {" as "}
            <strong>{c.account}</strong>
          </>
        )}{" "}
        <TimeAgo time={c.connected_at} />
        {c.expires_at && !c.ended && (
          <>
            {new Date(c.expires_at) > new Date() ? ", expires " : ", expired "}
            <TimeAgo time={c.expires_at} />
            {c.renewable && ", renewed by itself"}
          </>
        )}
      </span>
      {c.scope && (
        <span className="soft">
          Scopes: <code>{c.scope}</code>
        </span>
      )}
      {c.issuer && (
        <span className="soft">
          At <code className="break">{c.issuer}</code>
        </span>
      )}
    </div>
  );
}
