import { Title, useComputedColorScheme } from "@mantine/core";
import { Bar, BarChart, CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

import { millis } from "../../domain/time";
import classes from "./Usage.module.css";
import { cost } from "./UsagePage";
import { table } from "./series";

import type { Usage } from "../../api/types";
import type { Field } from "./series";
import type { ReactElement } from "react";

/** Distinguishable with colour vision deficiency, and from both grounds. */
const colours = {
  light: ["#1e6f85", "#c07f17", "#6a4fb8", "#2f8f57", "#b3434f", "#7a8590"],
  dark: ["#5cb0c6", "#e0ac4a", "#a993ee", "#63bf8b", "#ea8b85", "#929ba6"],
};

export function UsageCharts({ usage }: { usage: Usage }) {
  const scheme = useComputedColorScheme("light");
  const colour = (i: number) => colours[scheme][i % colours[scheme].length] ?? "#7a8590";
  const red = scheme === "dark" ? "#ea8b85" : "#c8352b";
  const grid = scheme === "dark" ? "#2b323a" : "#e2e6ea";
  const calls = table(usage, "calls");
  const errors = table(usage, "errors");
  const latency = table(usage, "p95");
  const spent = table(usage, "cost");
  const ink = { fill: scheme === "dark" ? "#a1aab5" : "#56606b" };
  const tick = (t: string) => label(t, usage.interval);
  const axes = (format: (v: number) => string) => [
    <CartesianGrid key="grid" stroke={grid} vertical={false} />,
    <XAxis
      key="x"
      dataKey="t"
      tick={ink}
      tickFormatter={tick}
      tickLine={false}
      axisLine={{ stroke: grid }}
      minTickGap={28}
    />,
    <YAxis
      key="y"
      tick={ink}
      tickFormatter={format}
      tickLine={false}
      axisLine={false}
      width={52}
      allowDecimals={format !== String}
    />,
    <Tooltip
      key="tip"
      content={(p) => (
        <Tip
          payload={p.payload as unknown as Entry[]}
          label={String(p.label ?? "")}
          active={p.active}
          format={format}
          interval={usage.interval}
        />
      )}
      isAnimationActive={false}
    />,
  ];
  return (
    <div className={classes.charts}>
      <Chart title="Calls" names={calls.names} colour={colour}>
        <BarChart data={calls.rows} accessibilityLayer>
          {axes(String)}
          {calls.names.map((n, i) => (
            <Bar key={n} dataKey={`v${i}`} name={n} stackId="1" fill={colour(i)} isAnimationActive={false} />
          ))}
        </BarChart>
      </Chart>
      <Chart title="95th percentile of the latency" names={latency.names} colour={colour}>
        <LineChart data={latency.rows} accessibilityLayer>
          {axes(millis)}
          {latency.names.map((n, i) => (
            <Line
              key={n}
              dataKey={`v${i}`}
              name={n}
              type="monotone"
              stroke={colour(i)}
              strokeWidth={2}
              dot={{ r: 2.5, fill: colour(i) }}
              connectNulls
              isAnimationActive={false}
            />
          ))}
        </LineChart>
      </Chart>
      {usage.totals.errors > 0 && (
        <Chart title="Failed calls" names={errors.names} colour={(i) => (errors.names.length === 1 ? red : colour(i))}>
          <BarChart data={errors.rows} accessibilityLayer>
            {axes(String)}
            {errors.names.map((n, i) => (
              <Bar
                key={n}
                dataKey={`v${i}`}
                name={n}
                stackId="1"
                fill={errors.names.length === 1 ? red : colour(i)}
                isAnimationActive={false}
              />
            ))}
          </BarChart>
        </Chart>
      )}
      {usage.totals.cost > 0 && (
        <Chart title={`Cost${usage.currency ? ` in ${usage.currency}` : ""}`} names={spent.names} colour={colour}>
          <BarChart data={spent.rows} accessibilityLayer>
            {axes((v) => cost(v, null))}
            {spent.names.map((n, i) => (
              <Bar key={n} dataKey={`v${i}`} name={n} stackId="1" fill={colour(i)} isAnimationActive={false} />
            ))}
          </BarChart>
        </Chart>
      )}
    </div>
  );
}

function Chart({
  title,
  names,
  colour,
  children,
}: {
  title: string;
  names: string[];
  colour: (i: number) => string;
  children: ReactElement;
}) {
  return (
    <section className="panel" aria-label={title}>
      <Title order={2}>{title}</Title>
      <div className={classes.chart}>
        <ResponsiveContainer width="100%" height="100%">
          {children}
        </ResponsiveContainer>
      </div>
      <div className={classes.legend}>
        {names.map((n, i) => (
          <span key={n}>
            <svg width="10" height="10" aria-hidden>
              <rect width="10" height="10" rx="2" fill={colour(i)} />
            </svg>
            {n}
          </span>
        ))}
      </div>
    </section>
  );
}

interface Entry {
  name: string;
  value: number;
}

function Tip({
  payload,
  label: t,
  active,
  format,
  interval,
}: {
  payload: Entry[] | undefined;
  label: string;
  active: boolean | undefined;
  format: (v: number) => string;
  interval: string;
}) {
  if (!active || !payload || payload.length === 0) return null;
  return (
    <div className={classes.tip}>
      <strong>{label(t, interval)}</strong>
      <ul>
        {payload.map((e) => (
          <li key={e.name}>
            {e.name}: {format(e.value)}
          </li>
        ))}
      </ul>
    </div>
  );
}

const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const label = (t: string, interval: string) =>
  t === "" ? "" : (interval === "hour" ? hours : days).format(new Date(t));

export type { Field };
