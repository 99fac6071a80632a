import { Tooltip } from "@mantine/core";

import { credentialTag } from "../domain/labels";
import { ago } from "../domain/time";
import classes from "./badges.module.css";
import { Tag } from "./Tag";
import { TimeAgo } from "./TimeAgo";

import type { Health, Server } from "../api/types";

/** How Grantway signs in to a server: M2M, Interactive, Static, None. */
export function FlowBadge({ server }: { server: Pick<Server, "auth_type" | "oauth2_flow"> }) {
  const { label, tone, about } = credentialTag(server);
  return (
    <Tooltip label={about}>
      <span tabIndex={0}>
        <Tag tone={tone}>{label}</Tag>
      </span>
    </Tooltip>
  );
}

/** Nothing is wrong with the server: a person has to authorize it. */
const needsPerson = (health: Health): boolean => health.code === "interactive_authorization_required";

export function HealthBadge({ health, checking }: { health: Health | undefined; checking?: boolean }) {
  if (checking) return <Tag>Checking…</Tag>;
  if (!health) return <Tag>Not checked</Tag>;
  if (needsPerson(health)) {
    return (
      <Tooltip label="Nobody has connected an account yet: do it on the Token tab or under Connections.">
        <span tabIndex={0}>
          <Tag tone="warn">Not connected</Tag>
        </span>
      </Tooltip>
    );
  }
  const words = { ok: "Healthy", error: "Unhealthy", disabled: "Disabled" } as const;
  const tones = { ok: "good", error: "bad", disabled: "plain" } as const;
  const when = `Checked ${ago(health.checked_at)}. `;
  const tools = health.tool_count === undefined ? "" : `${health.tool_count} tools found. `;
  return (
    <Tooltip label={`${when}${tools}${health.message ?? ""}`.trim()}>
      <span tabIndex={0}>
        <Tag tone={tones[health.status]}>{words[health.status]}</Tag>
      </span>
    </Tooltip>
  );
}

/** What a failed step means, in two or three words; the whole reason is in the badge's tip. */
const reasons: Record<string, string> = {
  token: "no token",
  connection: "no connection",
  "tools/list": "tools not listed",
};

/** The badge with its time and, where something is wrong, the reason below. */
export function HealthCell({ health, checking }: { health: Health | undefined; checking?: boolean }) {
  const failed = health?.steps.find((s) => !s.ok);
  return (
    <span className={classes.health}>
      <HealthBadge health={health} checking={checking} />
      {health && !checking && (
        <span className={classes.when}>
          {health.status === "error" && !needsPerson(health) && `${failed ? reasons[failed.name] : "refused"} · `}
          <TimeAgo time={health.checked_at} />
        </span>
      )}
    </span>
  );
}
