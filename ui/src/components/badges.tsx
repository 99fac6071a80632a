import { Tooltip } from "@mantine/core";

import { credentialTag } from "../domain/labels";
import { ago } from "../domain/time";
import { Tag } from "./Tag";

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

export function HealthBadge({ health, checking }: { health: Health | undefined; checking?: boolean }) {
  if (checking) return <Tag>Checking…</Tag>;
  if (!health) return <Tag>Not checked</Tag>;
  const words = { ok: "Healthy", error: "Unhealthy", disabled: "Disabled" } as const;
  const tones = { ok: "good", error: "bad", disabled: "plain" } as const;
  const when = health.checked_at ? `Checked ${ago(health.checked_at)}. ` : "";
  const tools = health.tool_count === undefined ? "" : `${health.tool_count} tools found. `;
  return (
    <Tooltip label={`${when}${tools}${health.message ?? ""}`.trim() || words[health.status]}>
      <span tabIndex={0}>
        <Tag tone={tones[health.status]}>{words[health.status]}</Tag>
      </span>
    </Tooltip>
  );
}
