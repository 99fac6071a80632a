import { Button, Checkbox, Loader, Switch, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
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
import { draftOf, isAllowed, policyInput, sameDraft } from "../../domain/toolPolicy";
import { Playground } from "./playground/Playground";
import classes from "./ToolsTab.module.css";

import type { Server, Tool } from "../../api/types";
import type { ToolDraft } from "../../domain/toolPolicy";

export function ToolsTab({ server }: { server: Server }) {
  const admin = useIsAdmin() && !server.read_only;
  // An administrator sees every tool, so that one can be allowed; else, and where that fails, what callers see.
  const all = useQuery({ ...allToolsQuery(server.server_id), enabled: admin && !server.disabled });
  const some = useQuery({ ...toolsQuery(server.server_id), enabled: !server.disabled && (!admin || all.isError) });
  const found = all.data ?? some.data;
  const error = all.error && some.error ? some.error : !admin ? some.error : null;
  if (server.disabled) {
    return <EmptyState title="The server is disabled">Enable it to see and call its tools.</EmptyState>;
  }
  if (error) {
    return (
      <ErrorPanel
        title="The tools could not be listed"
        error={error}
        retry={() => void Promise.all([all.refetch(), some.refetch()])}
      >
        <p>Test token and Test connection, on the edit page, tell which step fails.</p>
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
  return <Tools key={server.version} server={server} tools={found} admin={admin} />;
}

function Tools({ server, tools, admin }: { server: Server; tools: Tool[]; admin: boolean }) {
  const client = useQueryClient();
  const [search, setSearch] = useState("");
  const [selected, setSelected] = useState(
    () => tools.find((t) => isAllowed(draftOf(server), t.name))?.name ?? tools[0]?.name,
  );
  const [draft, setDraft] = useState<ToolDraft>(() => draftOf(server));
  const dirty = !sameDraft(draft, draftOf(server));
  const unsaved = useUnsaved(dirty);
  const save = useMutation({
    mutationFn: () => updateServer(server.server_id, policyInput(draft, server), server.version),
    onSuccess: (next) => {
      client.setQueryData(serverQuery(server.server_id).queryKey, next);
      void client.invalidateQueries({ queryKey: ["tools", server.server_id] });
      void client.invalidateQueries({ queryKey: ["servers"] });
      done("The tools were saved.");
    },
  });
  const words = search.toLowerCase();
  const shown = tools.filter((t) =>
    `${t.name} ${t.title ?? ""} ${t.description ?? ""} ${draft.names[t.name] ?? ""}`.toLowerCase().includes(words),
  );
  const allowed = tools.filter((t) => isAllowed(draft, t.name));
  const allow = (names: string[], on: boolean) => {
    const before = new Set(draft.allowed ?? tools.map((t) => t.name));
    for (const n of names) {
      if (on) before.add(n);
      else before.delete(n);
    }
    setDraft({ ...draft, allowed: [...before].sort() });
  };
  const tool = tools.find((t) => t.name === selected);
  const names = new Map(Object.entries(server.tool_name_to_display_name ?? {}));
  return (
    <div className={classes.split}>
      <section className={`panel ${classes.list}`} aria-labelledby="tools">
        <div className="row-apart">
          <Title order={2} id="tools">
            Tools
          </Title>
          <span className="soft">
            {allowed.length} of {tools.length} allowed
          </span>
        </div>
        <TextInput
          type="search"
          aria-label="Search tools"
          placeholder="Search"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        {admin && (
          <>
            <Switch
              label="Allow every tool"
              description="Also those that the server adds later"
              checked={draft.allowed === null}
              onChange={(event) =>
                setDraft({ ...draft, allowed: event.currentTarget.checked ? null : tools.map((t) => t.name).sort() })
              }
            />
            {draft.allowed !== null && (
              <div className="row">
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() =>
                    allow(
                      shown.map((t) => t.name),
                      true,
                    )
                  }
                >
                  Tick {search ? "found" : "all"}
                </Button>
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() =>
                    allow(
                      shown.map((t) => t.name),
                      false,
                    )
                  }
                >
                  Untick {search ? "found" : "all"}
                </Button>
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
              {admin && (
                <Checkbox
                  size="xs"
                  aria-label={`Allow ${t.name}`}
                  checked={isAllowed(draft, t.name)}
                  disabled={draft.allowed === null}
                  onChange={(event) => allow([t.name], event.currentTarget.checked)}
                />
              )}
              <button
                type="button"
                className={classes.pick}
                aria-pressed={t.name === selected}
                onClick={() => setSelected(t.name)}
              >
                <span className={classes.toolName}>
                  <code>{draft.names[t.name] ?? t.name}</code>
                  {draft.names[t.name] && <Tag tone="info">Renamed</Tag>}
                  {!isAllowed(draft, t.name) && <Tag tone="warn">Not allowed</Tag>}
                </span>
                <span className={classes.toolText}>{draft.descriptions[t.name] ?? t.description}</span>
              </button>
            </li>
          ))}
          {shown.length === 0 && <li className="soft">No tool matches.</li>}
        </ul>
        {dirty && (
          <div className={classes.save}>
            <Button onClick={() => save.mutate()} loading={save.isPending}>
              Save tools
            </Button>
            <Button variant="default" onClick={() => setDraft(draftOf(server))}>
              Undo
            </Button>
          </div>
        )}
        {save.error && <ErrorPanel title="The tools were not saved" error={save.error} />}
      </section>
      <div className="stack">
        {tool && (
          <Playground key={tool.name} server={server} tool={{ ...tool, name: names.get(tool.name) ?? tool.name }} />
        )}
        {tool && admin && <Presentation tool={tool} draft={draft} setDraft={setDraft} />}
      </div>
      {unsaved.dialog}
    </div>
  );
}

/** How one tool is shown to callers, and what a call of it costs. */
function Presentation({
  tool,
  draft,
  setDraft,
}: {
  tool: Tool;
  draft: ToolDraft;
  setDraft: (draft: ToolDraft) => void;
}) {
  const put = (field: "names" | "descriptions" | "costs", value: string) => {
    const { [tool.name]: _, ...rest } = draft[field];
    setDraft({ ...draft, [field]: value === "" ? rest : { ...rest, [tool.name]: value } });
  };
  return (
    <section className="panel" aria-labelledby="presentation">
      <Title order={2} id="presentation">
        As callers see it
      </Title>
      <div className="fields">
        <TextInput
          label="Name"
          description="Blank: the server's own."
          placeholder={tool.name}
          value={draft.names[tool.name] ?? ""}
          onChange={(event) => put("names", event.currentTarget.value)}
        />
        <TextInput
          label="Cost of a call"
          description="Blank: the server's."
          inputMode="decimal"
          value={draft.costs[tool.name] ?? ""}
          onChange={(event) => put("costs", event.currentTarget.value)}
          error={
            draft.costs[tool.name] !== undefined && !(Number(draft.costs[tool.name]) >= 0)
              ? "Enter a number, such as 0.002."
              : undefined
          }
        />
        <TextInput
          className="wide"
          label="Description"
          description="Blank: the server's own."
          placeholder={tool.description}
          value={draft.descriptions[tool.name] ?? ""}
          onChange={(event) => put("descriptions", event.currentTarget.value)}
        />
      </div>
    </section>
  );
}
