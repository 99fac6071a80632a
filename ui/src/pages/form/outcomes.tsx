import { IconCircleCheck, IconCircleDashed, IconCircleX } from "../../components/icons";
import { duration, millis } from "../../domain/time";
import { tokenAdvice } from "./advice";
import classes from "./ServerFormPage.module.css";

import type { CheckStep } from "../../api/health";
import type { ConnectionTest } from "../../api/tests";
import type { TokenTest } from "../../api/tokens";

/** A step of a test: done, failed, or not come to. */
function Step({ state, children }: { state: "ok" | "bad" | "open"; children: React.ReactNode }) {
  const icons = {
    ok: <IconCircleCheck size={16} className={classes.ok} aria-label="passed" />,
    bad: <IconCircleX size={16} className={classes.bad} aria-label="failed" />,
    open: <IconCircleDashed size={16} aria-label="not reached" />,
  };
  return (
    <li>
      {icons[state]}
      <span className="break">{children}</span>
    </li>
  );
}

export function TokenOutcome({ result }: { result: TokenTest }) {
  const reached = result.ok || (result.idp_status ?? 0) > 0;
  const tried = result.ok || result.stage === "identity_provider";
  return (
    <div className={classes.outcome} data-ok={result.ok} role="status">
      <strong>{result.ok ? "Token received" : "No token"}</strong>
      <p>{result.message}</p>
      {!result.ok && <p>{tokenAdvice(result)}</p>}
      <ul className={classes.steps}>
        <Step state={reached ? "ok" : tried || result.stage === "discovery" ? "bad" : "open"}>
          Token endpoint reached{result.token_url ? `: ${result.token_url}` : ""}
          {reached && result.took_ms ? ` (${millis(result.took_ms)})` : ""}
        </Step>
        <Step state={result.ok ? "ok" : reached ? "bad" : "open"}>
          Client accepted
          {result.oauth_error
            ? `: the server says ${result.oauth_error}${result.idp_says ? ` (${result.idp_says})` : ""}`
            : ""}
        </Step>
        <Step state={result.ok ? "ok" : "open"}>
          {result.ok
            ? `Life ${duration(result.expires_in ?? 0)}${result.life_assumed ? " (assumed)" : ""}; scopes ${result.scope || "not said"}`
            : "Life and scopes"}
        </Step>
      </ul>
    </div>
  );
}

const stepNames: Record<string, string> = {
  token: "Credential",
  connection: "MCP connected",
  connect: "MCP connected",
  tools: "Tools listed",
  "tools/list": "Tools listed",
};

export function ConnectionOutcome({ result }: { result: ConnectionTest }) {
  const ok = result.status === "healthy";
  const state = (s: CheckStep) => (s.ok ? "ok" : s.skipped ? "open" : "bad");
  return (
    <div className={classes.outcome} data-ok={ok} role="status">
      <strong>{ok ? "Connected" : "Not connected"}</strong>
      {result.message && <p>{result.message}</p>}
      <ul className={classes.steps}>
        {result.steps.map((s) => (
          <Step key={s.name} state={state(s)}>
            {stepNames[s.name] ?? s.name}
            {s.took_ms !== undefined && ` (${millis(s.took_ms)})`}
            {!s.ok && s.message && s.message !== result.message && `: ${s.message}`}
          </Step>
        ))}
      </ul>
      {result.protocol_version && (
        <p>
          MCP {result.protocol_version}
          {result.era ? ` (${result.era})` : ""}
        </p>
      )}
      {ok && (
        <p>
          {result.tools === 0
            ? "Connected, but the server offers no tools."
            : `${result.tools ?? result.toolNames.length} tools: ${result.toolNames.slice(0, 12).join(", ")}`}
          {result.toolNames.length > 12 && " …"}
        </p>
      )}
    </div>
  );
}
