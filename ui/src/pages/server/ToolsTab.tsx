import { Button, Checkbox, Loader, Switch, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";

import { serverQuery, updateServer } from "../../api/servers";
import { allToolsQuery, toolsQuery } from "../../api/tools";
import { useIsAdmin } from "../../app/session";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconSearch } from "../../components/icons";
import { useUnsaved } from "../../components/LeaveDialog";
import { done } from "../../components/notices";
import { Tag } from "../../components/Tag";
import {
  allowEvery,
  draftOf,
  forget,
  isAllowed,
  notOffered,
  policyInput,
  sameDraft,
  tick,
} from "../../domain/toolPolicy";
import { Playground } from "./playground/Playground";
import { ToolPolicy } from "./ToolPolicy";
import classes from "./ToolsTab.module.css";

import type { Server, Tool } from "../../api/types";
import type { ToolDraft } from "../../domain/toolPolicy";

export function ToolsTab({ server }: { server: Server }) {
  const admin = useIsAdmin();
  // An administrator sees every tool, so that one can be allowed; others what callers see.
  const {
    data: found,
    error,
    refetch,
  } = useQuery({
    ...(admin ? allToolsQuery(server.server_id) : toolsQuery(server.server_id)),
    enabled: !server.disabled,
  });
  if (server.disabled) {
    return <EmptyState title="The server is disabled">Enable it to see and call its tools.</EmptyState>;
  }
  if (error && !found) {
    return (
      <ErrorPanel title="The tools could not be listed" error={error} retry={() => void refetch()}>
        {admin && (
          <p>
            Test token and Test connection, on{" "}
            <Link to="/servers/$server/edit" params={{ server: server.server_id }}>
              the edit page
            </Link>
            , tell which step fails.
          </p>
        )}
      </ErrorPanel>
    );
  }
  if (!found) return <Loader aria-label="Asking the server for its tools" />;
  if (found.length === 0) {
    return (
      <EmptyState title="No tools">
        The server answers, but offers no tools{server.scopes?.length ? " to the scopes of this token" : ""}.
      </EmptyState>
    );
  }
  return <Tools server={server} tools={found} admin={admin} />;
}

const nameOf = (tool: Tool) => tool.name;

/** tools are every tool of the server for administrators, else those that are allowed. */
function Tools({ server, tools, admin }: { server: Server; tools: Tool[]; admin: boolean }) {
  const client = useQueryClient();
  const [search, setSearch] = useState("");
  // The version that the draft began with: what somebody else saves meanwhile is noticed, not overwritten.
  const [base, setBase] = useState(server);
  const [draft, setDraft] = useState<ToolDraft>(() => draftOf(server));
  const permits = (t: Tool) => !admin || isAllowed(draft, t.name);
  const [selected, setSelected] = useState(() => (tools.find(permits) ?? tools[0])?.name);
  const dirty = !sameDraft(draft, draftOf(base));
  const begin = (from: Server) => {
    setBase(from);
    setDraft(draftOf(from));
  };
  if (!dirty && base.version < server.version) begin(server);
  const unsaved = useUnsaved(dirty);
  const save = useMutation({
    mutationFn: () => updateServer(server.server_id, policyInput(draft, base), base.version),
    onSuccess: (next) => {
      begin(next);
      client.setQueryData(serverQuery(server.server_id).queryKey, next);
      void client.invalidateQueries({ queryKey: ["tools", server.server_id] });
      void client.invalidateQueries({ queryKey: ["servers"] });
      done("The tools were saved.");
    },
    // Undo then begins with what somebody else saved.
    onError: () => client.invalidateQueries({ queryKey: serverQuery(server.server_id).queryKey }),
  });
  const change = admin && !server.read_only;
  const titleOf = (t: Tool) => draft.names[t.name] ?? t.title ?? t.annotations?.title;
  const words = search.toLowerCase();
  const shown = tools.filter((t) =>
    `${t.name} ${titleOf(t) ?? ""} ${t.description ?? ""}`.toLowerCase().includes(words),
  );
  const allowed = tools.filter(permits);
  const offered = tools.map(nameOf);
  const gone = notOffered(draft, offered);
  const tool = tools.find((t) => t.name === selected);
  return (
    <div className={classes.split}>
      <section className={`panel ${classes.list}`} aria-labelledby="tools">
        <div className="row-apart">
          <Title order={2} id="tools">
            Tools
          </Title>
          <span className="soft">{admin ? `${allowed.length} of ${tools.length} allowed` : tools.length}</span>
        </div>
        <TextInput
          type="search"
          aria-label="Search tools"
          placeholder="Search"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        {change && (
          <>
            <Switch
              label="Allow every tool"
              description={
                draft.allowed === null
                  ? "Also those that the server adds later. Untick the exceptions."
                  : "Off: only ticked tools. One that the server adds later is not allowed."
              }
              checked={draft.allowed === null}
              onChange={(event) => setDraft(allowEvery(draft, event.currentTarget.checked, offered))}
            />
            {draft.allowed !== null && (
              <div className="row">
                {[true, false].map((on) => (
                  <Button
                    key={String(on)}
                    size="compact-xs"
                    variant="default"
                    onClick={() => setDraft(tick(draft, shown.map(nameOf), on))}
                  >
                    {on ? "Tick" : "Untick"} {search ? "found" : "all"}
                  </Button>
                ))}
              </div>
            )}
          </>
        )}
        {allowed.length === 0 && (
          <div className={classes.warn} role="note">
            Nothing is ticked, so nothing is allowed: no caller can use a tool of this server.
          </div>
        )}
        <ul className={classes.tools}>
          {shown.map((t) => (
            <li key={t.name} className={classes.tool} data-selected={t.name === selected || undefined}>
              {change && (
                <Checkbox
                  size="xs"
                  aria-label={`Allow ${t.name}`}
                  checked={isAllowed(draft, t.name)}
                  onChange={(event) => setDraft(tick(draft, [t.name], event.currentTarget.checked))}
                />
              )}
              <button
                type="button"
                className={classes.pick}
                aria-pressed={t.name === selected}
                onClick={() => setSelected(t.name)}
              >
                <span className={classes.toolName}>
                  <code>{t.name}</code>
                  {titleOf(t) && <span className={classes.toolTitle}>{titleOf(t)}</span>}
                  {!permits(t) && <Tag tone="warn">Not allowed</Tag>}
                  {draft.parameters[t.name] && <Tag>Limited</Tag>}
                </span>
                <span className={classes.toolText}>{draft.descriptions[t.name] ?? t.description}</span>
              </button>
            </li>
          ))}
          {shown.length === 0 && <li className="soft">No tool matches.</li>}
        </ul>
        {change && gone.length > 0 && (
          <div className="stack-s">
            <span className="soft">
              In the lists, but not offered by the server:{" "}
              {gone.map((name, i) => (
                <span key={name}>
                  {i > 0 && ", "}
                  <code>{name}</code> ({draft.denied.includes(name) ? "not allowed" : "allowed"})
                </span>
              ))}
            </span>
            <div>
              <Button size="compact-xs" variant="default" onClick={() => setDraft(forget(draft, gone))}>
                Forget {gone.length === 1 ? "it" : "them"}
              </Button>
            </div>
          </div>
        )}
        {dirty && (
          <div className={classes.save}>
            <Button onClick={() => save.mutate()} loading={save.isPending}>
              Save tools
            </Button>
            <Button variant="default" onClick={() => begin(server)}>
              Undo
            </Button>
          </div>
        )}
        {dirty && save.error && <ErrorPanel title="The tools were not saved" error={save.error} />}
      </section>
      <div className="stack">
        {tool && <Playground key={tool.name} server={server} tool={tool} title={titleOf(tool)} />}
        {tool && change && <ToolPolicy key={`policy of ${tool.name}`} tool={tool} draft={draft} setDraft={setDraft} />}
      </div>
      {unsaved.dialog}
    </div>
  );
}
