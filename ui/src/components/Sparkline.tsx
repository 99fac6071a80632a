import { Tooltip } from "@mantine/core";

import { millis } from "../domain/time";
import classes from "./Sparkline.module.css";

export interface SparklineData {
  calls: number[];
  errors: number[];
  p95: number;
}

/** Calls of the last hour as small columns, failed ones in red, with the total and the 95th percentile beside. */
export function Sparkline({ data }: { data: SparklineData | undefined }) {
  const total = data?.calls.reduce((sum, n) => sum + n, 0) ?? 0;
  if (!data || total === 0) return <span className={`${classes.none} soft`}>no calls</span>;
  const errors = data.errors.reduce((sum, n) => sum + n, 0);
  const top = Math.max(...data.calls);
  const width = 100 / data.calls.length;
  const summary = `Last hour: ${total} calls, ${errors} failed, 95 % within ${millis(data.p95)}`;
  return (
    <Tooltip label={summary}>
      <span className={classes.box} tabIndex={0} role="img" aria-label={summary}>
        <svg viewBox="0 0 100 24" preserveAspectRatio="none" className={classes.columns} aria-hidden>
          {data.calls.map((n, i) => {
            const h = n === 0 ? 1 : Math.max(3, (n / top) * 24);
            const e = n === 0 ? 0 : ((data.errors[i] ?? 0) / n) * h;
            return (
              <g key={i}>
                <rect
                  x={i * width}
                  y={24 - h}
                  width={width * 0.72}
                  height={h}
                  className={n === 0 ? classes.empty : classes.column}
                />
                {e > 0 && <rect x={i * width} y={24 - e} width={width * 0.72} height={e} className={classes.error} />}
              </g>
            );
          })}
        </svg>
        <span className={classes.words}>
          {total} {total === 1 ? "call" : "calls"}{" "}
          <span className={`${classes.second} soft`}>p95 {millis(data.p95)}</span>
        </span>
      </span>
    </Tooltip>
  );
}
