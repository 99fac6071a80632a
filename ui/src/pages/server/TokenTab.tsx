import { Button, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { auditQuery } from "../../api/audit";
import { explainToken, purgeToken, refreshToken, tokenQuery } from "../../api/tokens";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { EmptyState } from "../../components/EmptyState";
import { Connection } from "./Connection";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconRefresh } from "../../components/icons";
import { Json } from "../../components/Json";
import { done } from "../../components/notices";
import { TimeAgo, useNow } from "../../components/TimeAgo";
import { TokenBar } from "../../components/TokenBar";
import { actorName, causeLabel, hasOwnToken, reasonOf, tiers } from "../../domain/labels";
import { duration, exact } from "../../domain/time";
import { Fact } from "./Overview";
import classes from "./ServerPage.module.css";

import type { ReactNode } from "react";
import type { AuditRow, Explanation, Server, TokenStatus } from "../../api/types";

export function TokenTab({ server }: { server: Server }) {
  if (server.auth_type === "oauth2" && server.oauth2_flow === "authorization_code")
    return <Connection server={server} />;
  if (server.auth_type === "oauth2" && !hasOwnToken(server)) return <CallersTokens server={server} />;
  if (!hasOwnToken(server)) {
    return (
      <EmptyState title="No token of its own">
        This server needs no access token: its credential is sent as it is stored.
      </EmptyState>
    );
  }
  return <OwnToken server={server} />;
}

interface PurgeProps {
  server: Server;
  title: string;
  action: string;
  /** Said once it is done. */
  after: string;
  /** What is lost. */
  children: ReactNode;
}

function Purge({ server, title, action, after, children }: PurgeProps) {
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Button size="compact-sm" variant="default" c="var(--bad)" onClick={() => setAsking(true)}>
        Purge…
      </Button>
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        title={title}
        action={action}
        run={async () => {
          await purgeToken(server.server_id);
          await Promise.all([
            client.invalidateQueries({ queryKey: ["token", server.server_id] }),
            client.invalidateQueries({ queryKey: ["audit"] }),
          ]);
          done(after);
        }}
      >
        {children}
      </ConfirmDialog>
    </>
  );
}

/** Flows in the caller's name: there is no token of the server's own to be shown. */
function CallersTokens({ server }: { server: Server }) {
  const admin = useIsAdmin();
  return (
    <div className="columns">
      <section className="panel stack" aria-labelledby="token">
        <div className="row-apart">
          <Title order={2} id="token">
            Tokens of callers
          </Title>
          {admin && (
            <Purge
              server={server}
              title="Purge the tokens of all callers?"
              action="Purge tokens"
              after="The tokens were purged. Each caller's next call fetches a new one."
            >
              The stored tokens of every caller of {server.server_name} are thrown away everywhere. Each caller's next
              call has to wait for a new one, and fails if the authorization server does not give it.
            </Purge>
          )}
        </div>
        <span className="soft">Each caller has a token of its own, for its own JWT. None belongs to the server.</span>
      </section>
      <Timeline server={server} />
    </div>
  );
}

function OwnToken({ server }: { server: Server }) {
  const id = server.server_id;
  const admin = useIsAdmin();
  const client = useQueryClient();
  const status = useQuery(tokenQuery(id));
  const [refreshing, setRefreshing] = useState(false);
  const again = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["token", id] }),
      client.invalidateQueries({ queryKey: ["audit"] }),
    ]);
  const explain = useMutation({ mutationFn: () => explainToken(id) });
  return (
    <div className="columns">
      <section className="panel stack" aria-labelledby="token">
        <div className="row-apart">
          <Title order={2} id="token">
            Token
          </Title>
          {admin && (
            <div className="row">
              <Button
                size="compact-sm"
                variant="default"
                leftSection={<IconRefresh size={14} />}
                onClick={() => setRefreshing(true)}
              >
                Refresh…
              </Button>
              <Purge
                server={server}
                title="Purge the token?"
                action="Purge token"
                after="The token was purged. The next call fetches a new one."
              >
                The stored token is thrown away everywhere. Other locations may use it for up to a minute more. The next
                call has to wait for a new one, and fails if the authorization server does not give it.
              </Purge>
            </div>
          )}
        </div>
        {status.error && (
          <ErrorPanel
            title="The token's state could not be read"
            error={status.error}
            retry={() => void status.refetch()}
          />
        )}
        {status.data && <Life status={status.data} />}
        <ConfirmDialog
          opened={refreshing}
          onClose={() => setRefreshing(false)}
          title="Fetch a new token now?"
          action="Refresh token"
          harmless
          run={async () => {
            client.setQueryData(tokenQuery(id).queryKey, await refreshToken(id));
            await again();
            done("A new token was fetched.");
          }}
        >
          Calls in flight keep the token that they have; all later ones use the new one. Nothing is lost.
        </ConfirmDialog>
      </section>
      <Timeline server={server} />
      <section className="panel stack wide" aria-labelledby="explain">
        <div className="row-apart">
          <Title order={2} id="explain">
            Explain
          </Title>
          <Button size="compact-sm" variant="default" loading={explain.isPending} onClick={() => explain.mutate()}>
            Explain the next call
          </Button>
        </div>
        <span className="soft">
          A dry run: which credential the next call would send, and where it would come from. Nothing is sent.
        </span>
        {explain.error && <ErrorPanel error={explain.error} />}
        {explain.data && (
          <>
            <ExplainSummary explanation={explain.data} />
            <Json value={explain.data} label="the explanation" />
          </>
        )}
      </section>
    </div>
  );
}

function ExplainSummary({ explanation: x }: { explanation: Explanation }) {
  if (x.refusal) return <p className={classes.bad}>The next call would be refused: {x.refusal.message}</p>;
  const left = x.expires_in_seconds;
  const headers = Object.keys(x.headers);
  return (
    <p>
      {x.would_mint
        ? "The next call would fetch a new token first."
        : `The next call would use the token ${tiers[x.tier] ?? x.tier}${left === null ? "" : `, which ends in ${duration(left)}`}.`}{" "}
      {headers.length > 0 && `Headers that Grantway adds: ${headers.join(", ")}.`}
    </p>
  );
}

function Life({ status }: { status: TokenStatus }) {
  const now = useNow(1_000);
  const left = status.expires_at ? (new Date(status.expires_at).getTime() - now) / 1000 : 0;
  return (
    <>
      {left > 0 && <span className={classes.life}>{duration(left)} left</span>}
      <TokenBar status={status} />
      {!status.minter_reachable && (
        <p className={classes.warn}>The minter is out of reach at the moment; this shows what one instance knows.</p>
      )}
      {status.last_error && (
        <div className={status.last_error.failures > 0 ? classes.bad : classes.warn}>
          <strong>
            {status.last_error.failures > 0
              ? `The last ${status.last_error.failures === 1 ? "attempt" : `${status.last_error.failures} attempts`} failed`
              : "An earlier attempt failed"}
          </strong>
          <p>{status.last_error.message}</p>
          <span className="soft">
            <code>{status.last_error.code}</code>
            {status.last_error.idp_status ? ` · status ${status.last_error.idp_status}` : ""}
            {status.last_error.at && (
              <>
                {" · "}
                <TimeAgo time={status.last_error.at} />
              </>
            )}
            {status.last_error.retry_at && (
              <>
                {" · next attempt "}
                <TimeAgo time={status.last_error.retry_at} />
              </>
            )}
          </span>
        </div>
      )}
      <dl className="facts">
        <Fact name="Held">{tiers[status.tier] ?? status.tier}</Fact>
        {status.issued_at && (
          <Fact name="Fetched">
            <TimeAgo time={status.issued_at} />{" "}
            {status.cause && <span className="soft">· {causeLabel(status.cause)}</span>}
          </Fact>
        )}
        {status.expires_at && <Fact name="Ends">{exact(status.expires_at)}</Fact>}
        {status.next_refresh_at && (
          <Fact name="Refresh from">
            <TimeAgo time={status.next_refresh_at} />
          </Fact>
        )}
        {status.scope && <Fact name="Scopes">{status.scope}</Fact>}
        {status.secret_used && <Fact name="Secret used">{status.secret_used.replaceAll("_", " ")}</Fact>}
        <Fact name="Fetched so far">
          {status.mints} in {status.attempts} {status.attempts === 1 ? "attempt" : "attempts"}
        </Fact>
        <Fact name="Generation">{status.generation} (raised by each purge)</Fact>
        {status.identity && (
          <Fact name="Identity">
            <code>{status.identity}</code>
          </Fact>
        )}
        {status.discovered?.token_url && (
          <Fact name="Discovered">
            <code>{status.discovered.token_url}</code>
            {status.discovered.issuer && <div className="soft">issuer {status.discovered.issuer}</div>}
          </Fact>
        )}
      </dl>
    </>
  );
}

/** Everything that the audit log knows of this server's token, newest first. */
function Timeline({ server }: { server: Server }) {
  return (
    <section className="panel stack" aria-labelledby="timeline">
      <Title order={2} id="timeline">
        What happened
      </Title>
      <Events server={server} />
    </section>
  );
}

function Events({ server }: { server: Server }) {
  const { data, error, refetch } = useQuery({
    ...auditQuery({ target: server.server_id, limit: 100 }),
    refetchInterval: 10_000,
  });
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  const rows = (data?.data ?? []).filter((r) => r.action.startsWith("token."));
  if (data && rows.length === 0) return <span className="soft">Nothing yet: no call needed a token.</span>;
  return (
    <ol className={classes.timeline}>
      {rows.slice(0, 30).map((r) => (
        <li key={r.seq} data-outcome={r.outcome !== "ok" ? r.outcome : r.action === "token.purge" ? "purge" : "ok"}>
          <TokenEvent row={r} />
        </li>
      ))}
    </ol>
  );
}

function TokenEvent({ row }: { row: AuditRow }) {
  const detail = (row.detail ?? {}) as {
    cause?: string;
    life_seconds?: number;
    took_ms?: number;
  };
  const reason = reasonOf(row);
  const words: Record<string, string> = {
    "token.mint": "Token fetched",
    "token.purge": "Token purged",
    "token.refresh": "Refresh asked for",
  };
  return (
    <>
      <strong>{row.outcome === "ok" ? (words[row.action] ?? row.action) : "No token given"}</strong>{" "}
      <span className="soft">
        <TimeAgo time={row.time} />
      </span>
      <p>
        {causeLabel(detail.cause)}
        {detail.life_seconds ? ` · lives ${duration(detail.life_seconds)}` : ""}
        {detail.took_ms !== undefined ? ` · took ${detail.took_ms} ms` : ""}
      </p>
      {reason && <p className="break">{reason}</p>}
      <span className="soft">{actorName(row.actor)}</span>
    </>
  );
}
