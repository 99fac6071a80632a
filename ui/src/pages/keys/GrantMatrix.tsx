import { Checkbox, TagsInput } from "@mantine/core";

import { credentialTag } from "../../domain/labels";
import { Tag } from "../../components/Tag";
import classes from "./Keys.module.css";

import type { Server } from "../../api/types";

interface Props {
  servers: Server[];
  groups: string[];
  granted: string[];
  onGranted: (ids: string[]) => void;
  tools: Record<string, string[]>;
  onTools: (tools: Record<string, string[]>) => void;
}

/** Which servers a key may use, and, if not all, which tools of them. */
export function GrantMatrix({ servers, groups, granted, onGranted, tools, onTools }: Props) {
  if (servers.length === 0) return <span className="soft">There are no servers yet.</span>;
  const only = (id: string, names: string[]) => {
    const { [id]: _, ...rest } = tools;
    onTools(names.length > 0 ? { ...rest, [id]: names } : rest);
  };
  return (
    <div className={classes.matrix} tabIndex={0} role="region" aria-label="Grants">
      <table className="table">
        <thead>
          <tr>
            <th>Server</th>
            <th>Granted</th>
            <th>Only these tools</th>
          </tr>
        </thead>
        <tbody>
          {servers.map((s) => {
            const on = granted.includes(s.server_id);
            const group = s.mcp_access_groups?.find((g) => groups.includes(g));
            return (
              <tr key={s.server_id}>
                <td>
                  <strong>{s.server_name}</strong> <Tag tone={credentialTag(s).tone}>{credentialTag(s).label}</Tag>
                </td>
                <td>
                  <Checkbox
                    aria-label={`Grant ${s.server_name}`}
                    checked={on}
                    onChange={(event) =>
                      onGranted(
                        event.currentTarget.checked
                          ? [...granted, s.server_id]
                          : granted.filter((id) => id !== s.server_id),
                      )
                    }
                    description={
                      !on && (group ? `through group ${group}` : s.allow_all_keys ? "open to every key" : undefined)
                    }
                  />
                </td>
                <td>
                  {on && (
                    <TagsInput
                      size="xs"
                      aria-label={`Only these tools of ${s.server_name}`}
                      placeholder={tools[s.server_id]?.length ? undefined : "all that the server allows"}
                      value={tools[s.server_id] ?? []}
                      data={s.allowed_tools ?? []}
                      onChange={(names) => only(s.server_id, names)}
                      hiddenInputProps={{ "aria-hidden": true }}
                    />
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
