import { Button, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { checkHealth, healthQuery } from "../../api/health";
import { sparklineQuery } from "../../api/servers";
import { tokenQuery } from "../../api/tokens";
import { FlowBadge, HealthBadge } from "../../components/badges";
import { CheckSteps } from "../../components/CheckSteps";
import { CopyButton } from "../../components/CopyButton";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconRefresh } from "../../components/icons";
import { Sparkline } from "../../components/Sparkline";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { TokenBar } from "../../components/TokenBar";
import { actorName, authTypes, clientAuths, flows, hasOwnToken, inWords, secretNames } from "../../domain/labels";
import { maskUrl } from "../../domain/url";
import formClasses from "../form/ServerFormPage.module.css";

import type { Server } from "../../api/types";
import type { ReactNode } from "react";

export function Overview({ server }: { server: Server }) {
  const address = `${window.location.origin}/mcp/${server.slug}`;
  return (
    <div className="stack">
      {server.description && <p className="soft">{server.description}</p>}
      <div className="columns">
        <State server={server} />
        <section className="panel" aria-labelledby="connect">
          <Title order={2} id="connect">
            How callers reach it
          </Title>
          <dl className="facts">
            <Fact name="Address">
              <code>{address}</code> <CopyButton value={address} label="Copy the address" />
            </Fact>
            <Fact name="With">
              an access key as <code>Authorization: Bearer gw_…</code>
            </Fact>
            <Fact name="Groups">
              {server.mcp_access_groups?.length ? (
                <span className="row">
                  {server.mcp_access_groups.map((g) => (
                    <Tag key={g}>{g}</Tag>
                  ))}
                </span>
              ) : (
                <span className="soft">none</span>
              )}
            </Fact>
            <Fact name="Open to">{server.allow_all_keys ? "every valid key" : "keys that were granted it"}</Fact>
          </dl>
          <p>
            <Link to="/keys" search={{ create: server.server_id }}>
              Create a key for it
            </Link>
          </p>
        </section>
        <section className="panel" aria-labelledby="credential">
          <Title order={2} id="credential">
            How Grantway signs in
          </Title>
          <Credential server={server} />
        </section>
        <section className="panel" aria-labelledby="record">
          <Title order={2} id="record">
            Record
          </Title>
          <dl className="facts">
            <Fact name="URL">
              <code>{maskUrl(server.url)}</code>
            </Fact>
            <Fact name="Transport">Streamable HTTP</Fact>
            {server.alias && <Fact name="Alias">{server.alias}</Fact>}
            {server.source_url && (
              <Fact name="Source">
                <a href={server.source_url} target="_blank" rel="noreferrer">
                  {server.source_url}
                </a>
              </Fact>
            )}
            <Fact name="Server ID">
              <code>{server.server_id}</code> <CopyButton value={server.server_id} label="Copy the server ID" />
            </Fact>
            <Fact name="Added">
              <TimeAgo time={server.created_at} />{" "}
              {server.created_by && <span className="soft">by {actorName({ id: server.created_by })}</span>}
            </Fact>
            <Fact name="Changed">
              <TimeAgo time={server.updated_at} />{" "}
              {server.updated_by && <span className="soft">by {actorName({ id: server.updated_by })}</span>}
            </Fact>
          </dl>
        </section>
      </div>
    </div>
  );
}

export function Fact({ name, children }: { name: ReactNode; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function State({ server }: { server: Server }) {
  const client = useQueryClient();
  const health = useQuery({ ...healthQuery, enabled: !server.disabled });
  const token = useQuery({ ...tokenQuery(server.server_id), enabled: hasOwnToken(server) });
  const sparkline = useQuery(sparklineQuery);
  const check = useMutation({
    mutationFn: () => checkHealth(server.server_id),
    onSuccess: (found) => {
      if (found) client.setQueryData(healthQuery.queryKey, (old) => new Map(old).set(server.server_id, found));
      void client.invalidateQueries({ queryKey: ["token", server.server_id] });
    },
  });
  const state = health.data?.get(server.server_id);
  return (
    <section className="panel" aria-labelledby="state">
      <div className="row-apart">
        <Title order={2} id="state">
          State
        </Title>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconRefresh size={14} />}
          loading={check.isPending}
          disabled={server.disabled}
          onClick={() => check.mutate()}
        >
          Check now
        </Button>
      </div>
      <dl className="facts">
        <Fact name="Health">
          {server.disabled ? "not checked while disabled" : <HealthBadge health={state} checking={health.isPending} />}
        </Fact>
        {state?.protocol_version && (
          <Fact name="Protocol">
            MCP {state.protocol_version}
            {state.era && <span className="soft"> ({state.era})</span>}
          </Fact>
        )}
        {state?.tool_count !== undefined && <Fact name="Tools">{state.tool_count}</Fact>}
        {hasOwnToken(server) && <Fact name="Token">{token.data ? <TokenBar status={token.data} /> : "…"}</Fact>}
        <Fact name="Last hour">
          <Sparkline data={sparkline.data?.servers[server.server_id]} />
        </Fact>
        {state?.checked_at && (
          <Fact name="Checked">
            <TimeAgo time={state.checked_at} />
          </Fact>
        )}
      </dl>
      {state && state.steps.length > 0 && <CheckSteps steps={state.steps} said={state.message} />}
      {state?.status === "error" && state.message && <p className={formClasses.bad}>{state.message}</p>}
      {(check.error ?? health.error) && (
        <ErrorPanel title="Health could not be checked" error={check.error ?? health.error} />
      )}
    </section>
  );
}

function Credential({ server }: { server: Server }) {
  const stored = Object.entries(server.secrets ?? {}).filter(([, s]) => s.set);
  return (
    <dl className="facts">
      <Fact name="Kind">
        <span className="row">
          <FlowBadge server={server} />
          {server.auth_type === "oauth2" && server.oauth2_flow
            ? flows[server.oauth2_flow].label
            : authTypes[server.auth_type].label}
        </span>
      </Fact>
      {server.client_id && (
        <Fact name="Client ID">
          <code>{server.client_id}</code>
        </Fact>
      )}
      {server.token_endpoint_auth_method && (
        <Fact name="Client sign-in">{clientAuths[server.token_endpoint_auth_method].label}</Fact>
      )}
      {server.auth_type === "oauth2" && (
        <Fact name="Token URL">
          {server.token_url ? <code>{maskUrl(server.token_url)}</code> : <span className="soft">discovered</span>}
        </Fact>
      )}
      {server.scopes && server.scopes.length > 0 && (
        <Fact name="Scopes">
          <span className="row">
            {server.scopes.map((s) => (
              <Tag key={s}>{s}</Tag>
            ))}
          </span>
        </Fact>
      )}
      {server.audience && (
        <Fact name="Audience">
          <code>{server.audience}</code>
        </Fact>
      )}
      {server.upstream_resource && (
        <Fact name="Resource">
          <code>{server.upstream_resource}</code>
        </Fact>
      )}
      {stored.map(([name, s]) => (
        <Fact key={name} name={secretNames[name] ?? inWords(name)}>
          stored, set <TimeAgo time={s.last_rotated} />
        </Fact>
      ))}
      {server.client_private_key_id && (
        <Fact name="Key">
          {server.client_private_key_alg} <code>{server.client_private_key_id}</code>
          {server.public_jwk && <CopyButton value={server.public_jwk} label="Copy the public key (JWK)" />}
        </Fact>
      )}
    </dl>
  );
}
