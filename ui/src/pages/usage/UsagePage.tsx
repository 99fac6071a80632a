import { Loader, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useMemo } from "react";

import { usageQuery } from "../../api/usage";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { PageHeader } from "../../components/PageHeader";
import { millis } from "../../domain/time";
import classes from "./Usage.module.css";
import { UsageTable } from "./UsageTable";

import type { Usage } from "../../api/types";

const UsageCharts = lazy(() => import("./UsageCharts").then((m) => ({ default: m.UsageCharts })));

const HOUR = 3_600_000;
const ranges = { day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR } as const;

/** The times of a range, on whole hours so that the answer can be kept for a while. */
function times(range: keyof typeof ranges) {
  const to = Math.ceil(Date.now() / HOUR) * HOUR;
  return { from: new Date(to - ranges[range]).toISOString(), to: new Date(to).toISOString() };
}

export function UsagePage() {
  const { range = "day", by = "server" } = useSearch({ from: "/usage" });
  const navigate = useNavigate({ from: "/usage" });
  const filter = useMemo(
    () => ({ ...times(range), interval: range === "day" ? ("hour" as const) : ("day" as const), group_by: by }),
    [range, by],
  );
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
              onChange={(value) => void navigate({ search: (s) => ({ ...s, range: value as keyof typeof ranges }) })}
              data={[
                { value: "day", label: "24 hours" },
                { value: "week", label: "7 days" },
                { value: "month", label: "30 days" },
              ]}
            />
            <SegmentedControl
              size="xs"
              aria-label="Group by"
              value={by}
              onChange={(value) => void navigate({ search: (s) => ({ ...s, by: value as "server" | "tool" | "key" }) })}
              data={[
                { value: "server", label: "By server" },
                { value: "tool", label: "By tool" },
                { value: "key", label: "By key" },
              ]}
            />
          </>
        }
      />
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
