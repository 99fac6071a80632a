import { Loader, SegmentedControl, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";

import { usageQuery } from "../../api/usage";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { useNow } from "../../components/TimeAgo";
import { PageHeader } from "../../components/PageHeader";
import { localDay, millis } from "../../domain/time";
import { periodOf } from "./period";
import classes from "./Usage.module.css";
import { UsageTable } from "./UsageTable";

import type { Usage } from "../../api/types";
import type { UsageSearch } from "../../app/router";

const UsageCharts = lazy(() => import("./UsageCharts").then((m) => ({ default: m.UsageCharts })));

export function UsagePage() {
  const search = useSearch({ from: "/usage" });
  const { range = "day", from, to, by = "server" } = search;
  const navigate = useNavigate({ from: "/usage" });
  const set = (change: UsageSearch) => void navigate({ search: (s) => ({ ...s, ...change }), replace: true });
  const today = localDay(useNow(60_000));
  const filter = useMemo(() => ({ ...periodOf({ range, from, to }), group_by: by }), [range, from, to, by]);
  const { data, error, refetch } = useQuery({ ...usageQuery(filter), refetchInterval: 60_000 });
  return (
    <>
      <PageHeader
        title="Usage"
        about="Tool calls through Grantway: how many, how fast, what failed, what they cost."
        actions={
          <>
            <SegmentedControl
              size="xs"
              aria-label="Period"
              value={range}
              onChange={(value) => {
                if (value !== "own") set({ range: value as UsageSearch["range"], from: undefined, to: undefined });
                // One's own period begins as the one that was shown.
                else set({ range: "own", from: localDay(filter.since), to: localDay(Date.now()) });
              }}
              data={[
                { value: "day", label: "24 hours" },
                { value: "week", label: "7 days" },
                { value: "month", label: "30 days" },
                { value: "own", label: "From – to" },
              ]}
            />
            <SegmentedControl
              size="xs"
              aria-label="Group by"
              value={by}
              onChange={(value) => set({ by: value as UsageSearch["by"] })}
              data={[
                { value: "server", label: "By server" },
                { value: "tool", label: "By tool" },
                { value: "key", label: "By key" },
              ]}
            />
          </>
        }
      />
      {range === "own" && (
        <div className={`row ${classes.days ?? ""}`}>
          {(["from", "to"] as const).map((end) => (
            <TextInput
              key={end}
              type="date"
              label={end === "from" ? "From" : "To, included"}
              value={search[end] ?? ""}
              max={today}
              onChange={(event) => set({ [end]: event.currentTarget.value || undefined })}
              w={180}
            />
          ))}
        </div>
      )}
      {error && <ErrorPanel title="The usage could not be read" error={error} retry={() => void refetch()} />}
      {!data && !error && <Loader aria-label="Loading the usage" />}
      {data && data.totals.calls === 0 && data.totals.denied === 0 && (
        <EmptyState title="No calls in this period">
          Call a tool in a server's playground, or with an access key, and it appears here.
        </EmptyState>
      )}
      {data && (data.totals.calls > 0 || data.totals.denied > 0) && (
        <div className="stack">
          <Totals usage={data} />
          <Suspense fallback={<Loader aria-label="Loading the charts" />}>
            <UsageCharts usage={data} />
          </Suspense>
          <UsageTable usage={data} />
        </div>
      )}
    </>
  );
}

function Totals({ usage }: { usage: Usage }) {
  const t = usage.totals;
  const share = t.calls > 0 ? ` (${((t.errors / t.calls) * 100).toFixed(1)} %)` : "";
  const figures: [string, string][] = [
    ["Calls", t.calls.toLocaleString("en")],
    ["Failed", `${t.errors.toLocaleString("en")}${share}`],
    ["Denied", t.denied.toLocaleString("en")],
    ["Half within", millis(t.latency_ms.p50)],
    ["95 % within", millis(t.latency_ms.p95)],
    ["Cost", cost(t.cost, usage.currency)],
  ];
  return (
    <dl className={classes.totals}>
      {figures.map(([name, value]) => (
        <div key={name} className={classes.figure}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function cost(value: number, currency: string | null | undefined): string {
  const digits = value !== 0 && Math.abs(value) < 1 ? 4 : 2;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })}${currency ? ` ${currency}` : ""}`;
}
