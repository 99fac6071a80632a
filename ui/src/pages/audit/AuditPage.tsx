import { Autocomplete, Button, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";

import { auditExportUrl, verifyAudit } from "../../api/audit";
import { keysQuery } from "../../api/keys";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconDownload, IconSearch, IconShieldCheck, IconUser } from "../../components/icons";
import { PageHeader } from "../../components/PageHeader";
import { auditActions } from "../../domain/labels";
import { localMinute } from "../../domain/time";
import { AuditRows } from "./AuditRows";
import classes from "./Audit.module.css";

import type { AuditSearch } from "../../app/router";

export function AuditPage() {
  const search = useSearch({ from: "/audit" });
  const navigate = useNavigate({ from: "/audit" });
  const set = (change: AuditSearch) => void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const verify = useMutation({ mutationFn: verifyAudit });
  const keys = useQuery(keysQuery);
  const actors = ["bootstrap", ...(keys.data ?? []).map((k) => k.name)].filter((n, i, all) => all.indexOf(n) === i);
  const narrowed = Object.values(search).some((value) => value !== undefined);
  return (
    <>
      <PageHeader
        title="Audit"
        about="Every change, sign-in, token and denied call. Rows are chained by hash, so one that was altered or taken out is noticed."
        actions={
          <>
            <Button
              variant="default"
              leftSection={<IconShieldCheck size={16} />}
              loading={verify.isPending}
              onClick={() => verify.mutate()}
            >
              Verify
            </Button>
            <Button
              variant="default"
              leftSection={<IconDownload size={16} />}
              component="a"
              href={auditExportUrl(search)}
              download="grantway-audit.ndjson"
            >
              Export
            </Button>
          </>
        }
      />
      <div className="stack">
        {verify.error && <ErrorPanel title="The log could not be verified" error={verify.error} />}
        {verify.data && (
          <div className={verify.data.ok ? classes.good : classes.bad} role="status">
            {verify.data.ok
              ? `The chain is whole: ${verify.data.rows} rows, none altered or missing.`
              : `The chain is broken at row ${verify.data.broken_at}: ${verify.data.reason ?? "its hash does not fit"}. Somebody changed the store, or it was damaged.`}
          </div>
        )}
        <div className={`row ${classes.filters}`}>
          <TextInput
            className={classes.search}
            type="search"
            aria-label="Search the audit log"
            placeholder="Search names, ids, request ids"
            leftSection={<IconSearch size={16} />}
            value={search.q ?? ""}
            onChange={(event) => set({ q: event.currentTarget.value || undefined })}
          />
          <Select
            aria-label="Action"
            placeholder="Every action"
            data={Object.entries(auditActions).map(([value, label]) => ({ value, label }))}
            value={search.action ?? null}
            onChange={(value) => set({ action: value ?? undefined })}
            clearable
            searchable
            clearButtonProps={{ "aria-label": "Show every action" }}
            w={190}
          />
          <Select
            aria-label="Outcome"
            placeholder="Every outcome"
            data={[
              { value: "ok", label: "Done" },
              { value: "denied", label: "Denied" },
              { value: "failed", label: "Failed" },
            ]}
            value={search.outcome ?? null}
            onChange={(value) => set({ outcome: value ?? undefined })}
            clearable
            clearButtonProps={{ "aria-label": "Show every outcome" }}
            w={150}
          />
          <Autocomplete
            aria-label="Who"
            placeholder="By everyone"
            data={actors}
            value={search.actor ?? ""}
            onChange={(value) => set({ actor: value || undefined })}
            leftSection={<IconUser size={16} />}
            clearable
            clearButtonProps={{ "aria-label": "Show what everyone did" }}
            w={190}
          />
          <Moment label="From" value={search.since} onChange={(since) => set({ since })} />
          <Moment label="Until" value={search.until} onChange={(until) => set({ until })} />
          {narrowed && (
            <Button variant="subtle" size="compact-sm" onClick={() => void navigate({ search: {}, replace: true })}>
              Clear
            </Button>
          )}
        </div>
        <AuditRows filter={search} />
      </div>
    </>
  );
}

/** A time by the clock of the person at this screen; in the address as RFC 3339. */
function Moment({
  label,
  value,
  onChange,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  // What is being typed may not be a whole time yet.
  const [entered, setEntered] = useState<string>();
  const shown = entered ?? (value ? localMinute(value) : "");
  return (
    <TextInput
      type="datetime-local"
      aria-label={label}
      leftSection={<span className={classes.moment}>{label}</span>}
      leftSectionWidth={52}
      value={shown}
      onChange={(event) => {
        const next = event.currentTarget.value;
        setEntered(next);
        if (next === "") onChange(undefined);
        else if (!Number.isNaN(Date.parse(next))) onChange(new Date(next).toISOString());
      }}
      onBlur={() => setEntered(undefined)}
      w={248}
    />
  );
}
