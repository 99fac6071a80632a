import { Button } from "@mantine/core";

import { ApiError } from "../api/client";
import { CopyButton } from "./CopyButton";
import classes from "./ErrorPanel.module.css";

import type { ReactNode } from "react";

/** What to do next, for the codes where the message alone leaves that open. */
const advice: Record<string, string> = {
  network: "Check that the gateway is running and that this machine can reach it, then try again.",
  version_conflict: "Somebody else changed this in the meantime. Reload to see their change, then make yours again.",
  directory_unavailable: "The gateway's store is out of reach for a moment. Try again shortly.",
  forbidden: "Your key may look but not change. Ask an administrator, or sign in with an admin key.",
  storage_full: "The store is full. Shorten the audit retention in Settings or delete what is no longer needed.",
};

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An error in plain words, with its request id for the logs. */
export function ErrorPanel({
  error,
  title,
  retry,
  children,
}: {
  error: unknown;
  title?: string;
  retry?: () => void;
  children?: ReactNode;
}) {
  const api = error instanceof ApiError ? error : undefined;
  const next = api && advice[api.code];
  return (
    <div role="alert" className={classes.panel}>
      <strong>{title ?? "That did not work"}</strong>
      <p>{messageOf(error)}</p>
      {next && <p>{next}</p>}
      {api && api.fields.length > 0 && (
        <ul>
          {api.fields.map((f) => (
            <li key={f.path + f.code}>
              <code>{f.path}</code>: {f.message}
            </li>
          ))}
        </ul>
      )}
      {children}
      <div className={classes.foot}>
        {retry && (
          <Button size="compact-sm" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
        {api && <Reference error={api} />}
      </div>
    </div>
  );
}

/** The code and the request id, to quote to whoever reads the logs. */
export function Reference({ error }: { error: ApiError }) {
  return (
    <span className={classes.reference}>
      <code>{error.code}</code>
      {error.requestId && (
        <>
          {" · request "}
          <code>{error.requestId}</code> <CopyButton value={error.requestId} label="Copy the request id" />
        </>
      )}
    </span>
  );
}
