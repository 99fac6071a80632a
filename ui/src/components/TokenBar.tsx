import { Tooltip } from "@mantine/core";

import { tiers } from "../domain/labels";
import { ago, duration } from "../domain/time";
import { Tag } from "./Tag";
import { useNow } from "./TimeAgo";
import classes from "./TokenBar.module.css";

import type { TokenStatus } from "../api/types";

/** What is left of a token's life, as a bar and in words; or why there is none. */
export function TokenBar({ status }: { status: TokenStatus }) {
  const now = useNow(5_000);
  switch (status.state) {
    case "not_applicable":
      return <span className="soft">—</span>;
    case "per_caller":
      return <Told tone="plain" word="Per caller" why={status.message ?? "Each caller has a token of its own."} />;
    case "none":
      return <Told tone="plain" word="None yet" why="The next call fetches one." />;
    case "failing":
      return (
        <Told tone="bad" word="Failing" code={codeOf(status)} why={status.last_error?.message ?? status.message} />
      );
    case "misconfigured":
      return (
        <Told
          tone="bad"
          word="Misconfigured"
          code={codeOf(status)}
          why={status.last_error?.message ?? status.message}
        />
      );
  }
  const end = new Date(status.expires_at ?? now).getTime();
  const begin = new Date(status.issued_at ?? now).getTime();
  const left = Math.max(0, (end - now) / 1000);
  const part = end > begin ? Math.min(1, (end - now) / (end - begin)) : 0;
  const failing = (status.last_error?.failures ?? 0) > 0;
  const why = [
    `Fetched ${ago(begin, now)}, held ${tiers[status.tier] ?? status.tier}.`,
    failing && status.last_error
      ? `The last refresh failed: ${status.last_error.message} The token is used until its end.`
      : "",
  ].join(" ");
  const tone = failing ? "bad" : status.state === "expiring" ? "warn" : "good";
  return (
    <Tooltip label={why.trim()}>
      <span className={classes.box} tabIndex={0}>
        <svg className={classes.bar} data-tone={tone} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden>
          <rect width="100" height="4" rx="2" className={classes.track} />
          <rect width={Math.max(2, part * 100)} height="4" rx="2" className={classes.life} />
        </svg>
        <span className={classes.words}>
          {duration(left)} left
          <span className="soft"> · {status.tier.toUpperCase()}</span>
          {failing && <span className={classes.failing}> · refresh failing</span>}
        </span>
      </span>
    </Tooltip>
  );
}

/** The last error in a word. */
const codeOf = ({ last_error: e }: TokenStatus): string | undefined => e?.oauth_error ?? e?.code;

function Told({ tone, word, code, why }: { tone: "plain" | "bad"; word: string; code?: string; why?: string }) {
  return (
    <Tooltip label={why} disabled={!why}>
      <span tabIndex={0} className={classes.told}>
        <Tag tone={tone}>{word}</Tag>
        {code && <span className={classes.code}>{code}</span>}
      </span>
    </Tooltip>
  );
}
