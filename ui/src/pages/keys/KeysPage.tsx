import { ActionIcon, Button, Loader, Menu, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";

import { keysQuery, revokeKey } from "../../api/keys";
import { serversQuery } from "../../api/servers";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconDots, IconPencil, IconPlus, IconRotate, IconSearch, IconTrash } from "../../components/icons";
import { done } from "../../components/notices";
import { PageHeader } from "../../components/PageHeader";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { roleLabels, statusTone } from "../../domain/keys";
import { KeyDialog } from "./KeyDialog";
import classes from "./Keys.module.css";
import { RotateDialog } from "./RotateDialog";
import { ShownOnce } from "./ShownOnce";

import type { Key, Server } from "../../api/types";

export function KeysPage() {
  const { create } = useSearch({ from: "/keys" });
  const navigate = useNavigate({ from: "/keys" });
  const admin = useIsAdmin();
  const client = useQueryClient();
  const keys = useQuery(keysQuery);
  const servers = useQuery(serversQuery);
  const [search, setSearch] = useState("");
  const [dialog, setDialog] = useState<{ kind: "edit" | "rotate" | "revoke"; key: Key }>();
  const [fresh, setFresh] = useState<Key>();
  const creating = create !== undefined && admin;
  const close = () => setDialog(undefined);
  const open = () => void navigate({ search: { create: "new" } });
  const changed = () => void client.invalidateQueries({ queryKey: ["keys"] });

  const words = search.toLowerCase();
  const rows = (keys.data ?? []).filter((k) =>
    `${k.name} ${k.owner ?? ""} ${k.prefix} ${k.groups?.join(" ") ?? ""}`.toLowerCase().includes(words),
  );
  return (
    <>
      <PageHeader
        title="Access keys"
        about="What agents, CI jobs and IDEs present to Grantway. A key is shown once, when it is made; only its hash is kept."
        actions={
          admin && (
            <Button leftSection={<IconPlus size={16} />} onClick={open}>
              Create key
            </Button>
          )
        }
      />
      {keys.error && (
        <ErrorPanel title="The keys could not be read" error={keys.error} retry={() => void keys.refetch()} />
      )}
      {keys.isPending && <Loader aria-label="Loading the keys" />}
      {keys.data?.length === 0 && (
        <EmptyState title="No keys yet" action={admin && <Button onClick={open}>Create the first key</Button>}>
          Give each agent or job a key of its own: then each can be granted only what it needs, and revoked alone.
        </EmptyState>
      )}
      {keys.data && keys.data.length > 0 && (
        <div className="stack">
          <TextInput
            className={classes.search}
            type="search"
            aria-label="Search keys"
            placeholder="Search name, owner, group"
            leftSection={<IconSearch size={16} />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <div className="panel scroll-x" tabIndex={0} role="region" aria-label="Access keys">
            <table className="table cards">
              <thead>
                <tr>
                  <th>Name</th>
                  <th>Role</th>
                  <th>May use</th>
                  <th>Status</th>
                  <th>Last used</th>
                  <th>Expires</th>
                  <th>
                    <span className="visually-hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {rows.map((k) => (
                  <tr key={k.id}>
                    <td>
                      <div>
                        <strong>{k.name}</strong>
                        <div className="soft">
                          <code>{k.prefix}…</code> {k.owner}
                        </div>
                      </div>
                    </td>
                    <td data-label="Role">{roleLabels[k.role]}</td>
                    <td data-label="May use">
                      <Grants item={k} servers={servers.data ?? []} />
                    </td>
                    <td data-label="Status">
                      <Tag tone={statusTone[k.status]}>{k.status}</Tag>
                      {k.previous_expires_at && new Date(k.previous_expires_at) > new Date() && (
                        <div className="soft">
                          old secret until <TimeAgo time={k.previous_expires_at} />
                        </div>
                      )}
                    </td>
                    <td data-label="Last used">
                      <TimeAgo time={k.last_used_at} />
                    </td>
                    <td data-label="Expires">
                      {k.expires_at ? <TimeAgo time={k.expires_at} /> : <span className="soft">never</span>}
                    </td>
                    <td className="corner">
                      {admin && !k.read_only && (
                        <Menu position="bottom-end" width={170}>
                          <Menu.Target>
                            <ActionIcon variant="subtle" color="gray" aria-label={`Actions for the key ${k.name}`}>
                              <IconDots size={18} />
                            </ActionIcon>
                          </Menu.Target>
                          <Menu.Dropdown>
                            <Menu.Item
                              leftSection={<IconPencil size={16} />}
                              onClick={() => setDialog({ kind: "edit", key: k })}
                            >
                              Edit
                            </Menu.Item>
                            <Menu.Item
                              leftSection={<IconRotate size={16} />}
                              onClick={() => setDialog({ kind: "rotate", key: k })}
                            >
                              Rotate…
                            </Menu.Item>
                            <Menu.Divider />
                            <Menu.Item
                              color="red"
                              leftSection={<IconTrash size={16} />}
                              onClick={() => setDialog({ kind: "revoke", key: k })}
                            >
                              Revoke…
                            </Menu.Item>
                          </Menu.Dropdown>
                        </Menu>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {rows.length === 0 && <p className="soft">No key matches.</p>}
          </div>
        </div>
      )}
      {creating && servers.data && (
        <KeyDialog
          servers={servers.data}
          preset={create === "new" ? undefined : create}
          onClose={() => void navigate({ search: {} })}
          onSaved={(key) => {
            changed();
            setFresh(key);
          }}
        />
      )}
      {dialog?.kind === "edit" && (
        <KeyDialog
          stored={dialog.key}
          servers={servers.data ?? []}
          onClose={close}
          onSaved={(key) => {
            changed();
            done(`The key ${key.name} was saved.`);
          }}
        />
      )}
      {dialog?.kind === "rotate" && (
        <RotateDialog
          item={dialog.key}
          onClose={close}
          onRotated={(key) => {
            changed();
            setFresh(key);
          }}
        />
      )}
      {dialog?.kind === "revoke" && (
        <ConfirmDialog
          opened
          onClose={close}
          title={`Revoke ${dialog.key.name}?`}
          action="Revoke key"
          run={async () => {
            await revokeKey(dialog.key.id);
            changed();
            done(`The key ${dialog.key.name} was revoked.`);
          }}
        >
          Whoever uses this key is refused from now on{dialog.key.last_used_at ? "" : " (it was never used)"}. This
          cannot be undone; to replace its secret without an interruption, rotate it instead.
        </ConfirmDialog>
      )}
      {fresh?.key && <ShownOnce item={fresh} servers={servers.data ?? []} onClose={() => setFresh(undefined)} />}
    </>
  );
}

function Grants({ item, servers }: { item: Key; servers: Server[] }) {
  if (item.all_servers || item.role === "admin") return <span>every server</span>;
  const names = (item.servers ?? []).map((id) => servers.find((s) => s.server_id === id)?.server_name ?? id);
  const groups = item.groups ?? [];
  if (names.length === 0 && groups.length === 0) return <span className="soft">only servers open to all</span>;
  return (
    <span className="row">
      {names.slice(0, 4).map((n) => (
        <Tag key={n} tone="info">
          {n}
        </Tag>
      ))}
      {names.length > 4 && <Tag>+{names.length - 4}</Tag>}
      {groups.map((g) => (
        <Tag key={g}>group {g}</Tag>
      ))}
    </span>
  );
}
