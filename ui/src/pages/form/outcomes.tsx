import { duration, millis } from "../../domain/time";
import { CheckSteps, Step } from "../../components/CheckSteps";
import { tokenAdvice } from "./advice";
import classes from "./ServerFormPage.module.css";

import type { Health, TokenTest } from "../../api/types";

export function TokenOutcome({ result }: { result: TokenTest }) {
  const reached = result.ok || (result.idp_status ?? 0) > 0;
  const tried = result.ok || result.stage === "identity_provider";
  return (
    <div className={classes.outcome} data-ok={result.ok} role="status">
      <strong>{result.ok ? "Token received" : "No token"}</strong>
      {/* What the authorization server said stands at its step. */}
      {(result.ok || result.stage !== "identity_provider") && <p>{result.message}</p>}
      {!result.ok && <p>{tokenAdvice(result)}</p>}
      <ul className="steps">
        <Step state={reached ? "ok" : tried || result.stage === "discovery" ? "bad" : "open"}>
          Token endpoint reached{result.token_url ? `: ${result.token_url}` : ""}
          {reached && result.took_ms ? ` (${millis(result.took_ms)})` : ""}
        </Step>
        <Step state={result.ok ? "ok" : reached ? "bad" : "open"}>Client accepted{answerOf(result)}</Step>
        <Step state={result.ok ? "ok" : "open"}>
          {result.ok
            ? `Life ${duration(result.expires_in ?? 0)}${result.life_assumed ? " (assumed)" : ""}; scopes ${result.scope || "not said"}`
            : "Life and scopes"}
        </Step>
      </ul>
    </div>
  );
}

/** What the authorization server answered in place of a token. */
function answerOf({ ok, idp_status: status, oauth_error: error, idp_says: hint }: TokenTest): string {
  if (ok || !status) return "";
  return `: HTTP ${status}${error ? `, ${error}` : ""}${hint ? ` (${hint})` : ""}`;
}

export function ConnectionOutcome({ result }: { result: Health }) {
  const ok = result.status === "ok";
  const names = (result.tools ?? []).map((t) => t.name);
  const count = result.tool_count ?? names.length;
  return (
    <div className={classes.outcome} data-ok={ok} role="status">
      <strong>{ok ? "Connected" : "Not connected"}</strong>
      {result.message && <p>{result.message}</p>}
      <CheckSteps steps={result.steps} said={result.message} />
      {result.protocol_version && (
        <p>
          MCP {result.protocol_version}
          {result.era ? ` (${result.era})` : ""}
        </p>
      )}
      {ok && (
        <p>
          {count === 0
            ? "Connected, but the server offers no tools."
            : `${count} ${count === 1 ? "tool" : "tools"}: ${names.slice(0, 12).join(", ")}`}
          {names.length > 12 && " …"}
        </p>
      )}
    </div>
  );
}
