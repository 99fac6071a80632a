import { Button, Checkbox, Loader, Select, TextInput } from "@mantine/core";
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useState } from "react";

import { healthQuery } from "../../api/health";
import { serversQuery, sparklineQuery } from "../../api/servers";
import { tokenQuery } from "../../api/tokens";
import { useIsAdmin } from "../../app/session";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconFileImport, IconPlus, IconRefresh, IconSearch } from "../../components/icons";
import { PageHeader } from "../../components/PageHeader";
import { hasOwnToken } from "../../domain/labels";
import { BulkBar } from "./BulkBar";
import { FirstServer } from "./FirstServer";
import { ServerRow } from "./ServerRow";
import classes from "./ServersPage.module.css";
import { filters, narrowed, sorts } from "./view";

import type { ServersSearch } from "../../app/router";
import type { ChangeEvent } from "react";

/** Rows drawn at once; more on demand. */
const BATCH = 100;

export function ServersPage() {
  const search = useSearch({ from: "/" });
  const navigate = useNavigate({ from: "/" });
  const admin = useIsAdmin();
  const servers = useQuery(serversQuery);
  const health = useQuery(healthQuery);
  const sparkline = useQuery(sparklineQuery);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState(BATCH);
  const query = useDeferredValue(search.q);

  const calls = useMemo(
    () =>
      Object.fromEntries(
        Object.entries(sparkline.data?.servers ?? {}).map(([id, s]) => [id, s.calls.reduce((sum, n) => sum + n, 0)]),
      ),
    [sparkline.data],
  );
  const rows = useMemo(
    () => narrowed(servers.data ?? [], { ...search, q: query }, { health: health.data, calls }),
    [servers.data, search, query, health.data, calls],
  );
  const visible = rows.slice(0, shown);
  const tokens = useQueries({
    queries: visible.map((s) => ({ ...tokenQuery(s.server_id), enabled: hasOwnToken(s) && !s.disabled })),
  });
  const groups = useMemo(
    () => [...new Set((servers.data ?? []).flatMap((s) => s.mcp_access_groups ?? []))].sort(),
    [servers.data],
  );
  const set = (change: Partial<ServersSearch>) =>
    void navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const chosen = rows.filter((s) => selected.has(s.server_id));
  const refresh = () =>
    void Promise.all([servers.refetch(), health.refetch(), sparkline.refetch(), ...tokens.map((t) => t.refetch())]);

  const total = servers.data?.length ?? 0;
  const selectAll = {
    "aria-label": "Select all",
    checked: chosen.length > 0 && chosen.length === rows.length,
    indeterminate: chosen.length > 0 && chosen.length < rows.length,
    onChange: (event: ChangeEvent<HTMLInputElement>) =>
      setSelected(event.currentTarget.checked ? new Set(rows.map((s) => s.server_id)) : new Set()),
  };
  return (
    <>
      <PageHeader
        title="MCP servers"
        about={
          total > 0
            ? `${total} ${total === 1 ? "server" : "servers"}. Callers reach them with an access key; Grantway adds the credential.`
            : undefined
        }
        actions={
          admin &&
          total > 0 && (
            <>
              <Button
                variant="default"
                leftSection={<IconFileImport size={16} />}
                renderRoot={(p) => <Link to="/transfer" {...p} />}
              >
                Import
              </Button>
              <Button leftSection={<IconPlus size={16} />} renderRoot={(p) => <Link to="/servers/new" {...p} />}>
                Add server
              </Button>
            </>
          )
        }
      />
      {servers.error && <ErrorPanel error={servers.error} retry={() => void servers.refetch()} />}
      {servers.isPending && <Loader aria-label="Loading the servers" />}
      {servers.data && total === 0 && <FirstServer />}
      {total > 0 && (
        <>
          <div className={classes.tools}>
            <TextInput
              className={classes.search}
              aria-label="Search servers"
              placeholder="Search name, slug, URL, group"
              leftSection={<IconSearch size={16} />}
              value={search.q ?? ""}
              onChange={(event) => set({ q: event.currentTarget.value || undefined })}
              type="search"
            />
            <Select
              aria-label="Show"
              placeholder="All servers"
              data={[
                { group: "Kind", items: [...filters] },
                ...(groups.length > 0
                  ? [{ group: "Group", items: groups.map((g) => ({ value: `group:${g}`, label: g })) }]
                  : []),
              ]}
              value={search.filter ?? null}
              onChange={(value) => set({ filter: value ?? undefined })}
              clearable
              clearButtonProps={{ "aria-label": "Show all servers" }}
              className={classes.narrowing}
            />
            <Select
              aria-label="Sort by"
              data={[...sorts]}
              value={search.sort ?? "name"}
              onChange={(value) => set({ sort: value === "name" ? undefined : (value ?? undefined) })}
              allowDeselect={false}
              className={classes.narrowing}
            />
            <Button
              variant="default"
              leftSection={<IconRefresh size={16} />}
              onClick={refresh}
              loading={health.isFetching && !health.isPending}
            >
              Check now
            </Button>
            {admin && rows.length > 0 && (
              <Checkbox className={classes.selectAll} label="Select all" {...selectAll} aria-label={undefined} />
            )}
          </div>
          {admin && chosen.length > 0 && <BulkBar servers={chosen} onDone={() => setSelected(new Set())} />}
          {rows.length === 0 ? (
            <div className="panel">
              <p className={classes.none}>No server matches.</p>
              <Button variant="default" size="compact-sm" onClick={() => set({ q: undefined, filter: undefined })}>
                Show all
              </Button>
            </div>
          ) : (
            <div className={classes.list}>
              <table className={`table ${classes.servers}`}>
                <caption className="visually-hidden">MCP servers</caption>
                <thead>
                  <tr>
                    {admin && (
                      <th className={classes.check}>
                        <Checkbox size="xs" {...selectAll} />
                      </th>
                    )}
                    <th>Server</th>
                    <th>Sign-in</th>
                    <th>Health</th>
                    <th>Token</th>
                    <th>Last hour</th>
                    <th>Groups</th>
                    <th>
                      <span className="visually-hidden">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {visible.map((s, i) => (
                    <ServerRow
                      key={s.server_id}
                      server={s}
                      health={health.data?.get(s.server_id)}
                      checking={health.isPending && !s.disabled}
                      token={tokens[i]?.data}
                      sparkline={sparkline.data?.servers[s.server_id]}
                      selected={selected.has(s.server_id)}
                      onSelect={(on) => {
                        const next = new Set(selected);
                        if (on) next.add(s.server_id);
                        else next.delete(s.server_id);
                        setSelected(next);
                      }}
                    />
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {rows.length > visible.length && (
            <Button mt="sm" variant="default" onClick={() => setShown(shown + BATCH)}>
              Show {Math.min(BATCH, rows.length - visible.length)} more of {rows.length}
            </Button>
          )}
        </>
      )}
    </>
  );
}
