import { IconCircleCheck, IconCircleDashed, IconCircleX } from "./icons";
import { millis } from "../domain/time";

import type { CheckStep } from "../api/types";
import type { ReactNode } from "react";

/** A step of a test: done, failed, or not come to. */
export function Step({ state, children }: { state: "ok" | "bad" | "open"; children: ReactNode }) {
  const icons = {
    ok: <IconCircleCheck size={16} data-tone="good" aria-label="passed" />,
    bad: <IconCircleX size={16} data-tone="bad" aria-label="failed" />,
    open: <IconCircleDashed size={16} aria-label="not reached" />,
  };
  return (
    <li>
      {icons[state]}
      <span className="break">{children}</span>
    </li>
  );
}

const names: Record<CheckStep["name"], string> = {
  token: "Credential",
  connection: "MCP connected",
  "tools/list": "Tools listed",
};

/** The steps of a check of a server. What was said already is not said again. */
export function CheckSteps({ steps, said }: { steps: CheckStep[]; said?: string }) {
  return (
    <ul className="steps">
      {steps.map((s) => (
        <Step key={s.name} state={s.ok ? "ok" : "bad"}>
          {names[s.name]}
          {!s.ok && s.message && s.message !== said && `: ${s.message}`}{" "}
          <span className="soft nowrap">({millis(s.took_ms)})</span>
        </Step>
      ))}
    </ul>
  );
}
