import { Button, Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";

import { auditPages } from "../../api/audit";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { actionLabel, actorName, causeLabel, inWords, reasonOf } from "../../domain/labels";
import { exact } from "../../domain/time";
import { Fact } from "../server/Overview";
import classes from "./Audit.module.css";
import { Diff } from "./Diff";

import type { AuditFilter } from "../../api/audit";
import type { AuditRow } from "../../api/types";

const outcomes = {
  ok: { label: "Done", tone: "good" },
  denied: { label: "Denied", tone: "warn" },
  failed: { label: "Failed", tone: "bad" },
} as const;

/** Rows of the audit log, newest first; each opens to what changed. */
export function AuditRows({ filter }: { filter: AuditFilter }) {
  const { data, error, refetch, isPending, fetchNextPage, hasNextPage, isFetchingNextPage } = useInfiniteQuery(
    auditPages(filter),
  );
  if (error) return <ErrorPanel title="The audit log could not be read" error={error} retry={() => void refetch()} />;
  if (isPending) return <Loader aria-label="Loading the audit log" />;
  const rows = data.pages.flatMap((p) => p.data);
  if (rows.length === 0) return <EmptyState title="No rows">Nothing in the log fits this filter.</EmptyState>;
  return (
    <div>
      <div className="panel" role="list" aria-label="Audit rows">
        {rows.map((r) => (
          <div role="listitem" key={r.seq}>
            <Row row={r} />
          </div>
        ))}
      </div>
      {hasNextPage && (
        <Button mt="sm" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show older rows
        </Button>
      )}
    </div>
  );
}

function Row({ row }: { row: AuditRow }) {
  const outcome = outcomes[row.outcome];
  const reason = reasonOf(row);
  return (
    <details className={classes.row}>
      <summary>
        <span className={`${classes.when} soft`}>
          <TimeAgo time={row.time} />
        </span>
        <span className={classes.action}>
          <strong>{actionLabel(row)}</strong>
        </span>
        <span className={`${classes.target} break`}>{row.target.name ?? row.target.id ?? row.target.type}</span>
        <span className={`${classes.actor} soft`}>{actorName(row.actor)}</span>
        <span className={classes.outcome}>
          <Tag tone={outcome.tone}>{outcome.label}</Tag>
        </span>
        {reason && <span className={`${classes.reason} soft`}>{reason}</span>}
      </summary>
      <div className={classes.detail}>
        {(row.before ?? row.after) !== undefined && <Diff before={row.before ?? {}} after={row.after ?? {}} />}
        <dl className="facts">
          <Fact name="Time">{exact(row.time)}</Fact>
          <Fact name="Action">
            <code>{row.action}</code>
          </Fact>
          <Fact name="By">
            {row.actor.name} <code>{row.actor.id}</code>{" "}
            {row.actor.ip && <span className="soft">from {row.actor.ip}</span>}
          </Fact>
          <Fact name="On">
            {row.target.type} {row.target.name} {row.target.id && <code>{row.target.id}</code>}
          </Fact>
          {Object.entries((row.detail ?? {}) as Record<string, unknown>).map(([name, value]) => (
            <Fact key={name} name={inWords(name)}>
              {name === "cause" ? (
                causeLabel(String(value))
              ) : typeof value === "object" ? (
                <code>{JSON.stringify(value)}</code>
              ) : (
                String(value)
              )}
            </Fact>
          ))}
          {row.request_id && (
            <Fact name="Request">
              <code>{row.request_id}</code>
            </Fact>
          )}
          <Fact name="Row">
            {row.seq}, hash <code>{row.hash.slice(0, 16)}…</code>
          </Fact>
        </dl>
      </div>
    </details>
  );
}
