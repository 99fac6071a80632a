import { Title } from "@mantine/core";

import { millis } from "../../domain/time";
import { cost } from "./UsagePage";

import type { Usage } from "../../api/types";

const heads: Record<string, string> = { server: "Server", tool: "Tool", key: "Key" };

/** The figures behind the charts. */
export function UsageTable({ usage }: { usage: Usage }) {
  return (
    <section className="panel scroll-x" aria-label="Figures" tabIndex={0}>
      <Title order={2} className="visually-hidden">
        Figures
      </Title>
      <table className="table">
        <thead>
          <tr>
            <th>{heads[usage.group_by] ?? "Name"}</th>
            <th className="number">Calls</th>
            <th className="number">Failed</th>
            <th className="number">Denied</th>
            <th className="number">Mean</th>
            <th className="number">p95</th>
            <th className="number">Longest</th>
            <th className="number">Cost</th>
          </tr>
        </thead>
        <tbody>
          {usage.data.map((d) => (
            <tr key={d.id}>
              <td>{d.name || d.id}</td>
              <td className="number">{d.calls.toLocaleString("en")}</td>
              <td className="number">{d.errors.toLocaleString("en")}</td>
              <td className="number">{d.denied.toLocaleString("en")}</td>
              <td className="number">{millis(d.latency_ms.mean)}</td>
              <td className="number">{millis(d.latency_ms.p95)}</td>
              <td className="number">{millis(d.latency_ms.max)}</td>
              <td className="number">{cost(d.cost, usage.currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
