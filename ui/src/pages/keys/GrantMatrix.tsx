import { Checkbox, Select, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useController, useWatch } from "react-hook-form";

import { allToolsQuery } from "../../api/tools";
import { useProblem } from "../../components/fields";
import { Tag } from "../../components/Tag";
import { credentialTag } from "../../domain/labels";
import classes from "./Keys.module.css";

import type { Server } from "../../api/types";
import type { KeyForm } from "../../domain/keyForm";

/** Which servers a key may use, and, if not all, which tools of them. */
export function GrantMatrix({ servers }: { servers: Server[] }) {
  const granted = useController<KeyForm, "servers">({ name: "servers" }).field;
  const groups = useWatch<KeyForm, "groups">({ name: "groups" });
  const problem = useProblem("tools");
  if (servers.length === 0) return <span className="soft">There are no servers yet.</span>;
  return (
    <div className={classes.matrix} tabIndex={0} role="region" aria-label="Grants">
      <table className="table cards">
        <thead>
          <tr>
            <th>Server</th>
            <th>Granted</th>
            <th>Tools</th>
          </tr>
        </thead>
        <tbody>
          {servers.map((s) => {
            const on = granted.value.includes(s.server_id);
            const group = s.mcp_access_groups?.find((g) => groups.includes(g));
            return (
              <tr key={s.server_id}>
                <td>
                  <div className={classes.serverName}>
                    <strong className="break">{s.server_name}</strong>
                    <Tag tone={credentialTag(s).tone}>{credentialTag(s).label}</Tag>
                  </div>
                </td>
                <td data-label="Granted">
                  <Checkbox
                    aria-label={`Grant ${s.server_name}`}
                    checked={on}
                    onChange={(event) =>
                      granted.onChange(
                        event.currentTarget.checked
                          ? [...granted.value, s.server_id]
                          : granted.value.filter((id) => id !== s.server_id),
                      )
                    }
                    description={
                      !on && (group ? `through group ${group}` : s.allow_all_keys ? "open to every key" : undefined)
                    }
                  />
                </td>
                <td data-label={on ? "Tools" : undefined}>{on && <ToolChoice server={s} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {problem && (
        <div role="alert" className={classes.problem}>
          {problem}
        </div>
      )}
    </div>
  );
}

/** All tools of a server, or those that are named. The server is asked for its tools once they are to be chosen from. */
function ToolChoice({ server }: { server: Server }) {
  const { field } = useController<KeyForm, "tools">({ name: "tools" });
  const names = field.value[server.server_id];
  const [asked, setAsked] = useState(names !== undefined);
  const live = useQuery({ ...allToolsQuery(server.server_id), enabled: asked && !server.disabled });
  const put = (next: string[] | undefined) => {
    const { [server.server_id]: _, ...rest } = field.value;
    field.onChange(next === undefined ? rest : { ...rest, [server.server_id]: next });
  };
  const state = live.isFetching
    ? "Asking the server for its tools…"
    : live.isError || server.disabled
      ? "The server does not tell its tools now: type their names."
      : names?.length === 0
        ? "None is chosen, so none may be called."
        : undefined;
  return (
    <div className={classes.tools}>
      <Select
        size="xs"
        aria-label={`Tools of ${server.server_name}`}
        value={names === undefined ? "all" : "some"}
        onChange={(value) => {
          setAsked(true);
          put(value === "some" ? [] : undefined);
        }}
        data={[
          { value: "all", label: "All that the server allows" },
          { value: "some", label: "Only these" },
        ]}
        allowDeselect={false}
      />
      {names !== undefined && (
        <TagsInput
          size="xs"
          aria-label={`Only these tools of ${server.server_name}`}
          description={state}
          placeholder={names.length > 0 ? undefined : "Choose or type a name"}
          value={names}
          data={(live.data ?? []).map((t) => t.name).sort()}
          onChange={put}
          acceptValueOnBlur
          hiddenInputProps={{ "aria-hidden": true }}
        />
      )}
    </div>
  );
}
