import { Button, Checkbox, Modal, NumberInput, SegmentedControl, Select, TagsInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { ApiError } from "../../api/client";
import { createKey, updateKey } from "../../api/keys";
import { ErrorPanel } from "../../components/ErrorPanel";
import { GrantMatrix } from "./GrantMatrix";

import type { Key, KeyInput, Server } from "../../api/types";

interface Props {
  stored?: Key;
  servers: Server[];
  /** A server that a new key is to be granted. */
  preset?: string;
  onClose: () => void;
  onSaved: (key: Key) => void;
}

const DAY = 86_400_000;
const lives = [
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "1 year" },
  { value: "never", label: "Never" },
];

const abouts: Record<Key["role"], string> = {
  caller: "Calls the tools of the servers that it was granted.",
  viewer: "Sees everything in this UI but secrets, and changes nothing.",
  admin: "Does everything, these keys included.",
};

export function KeyDialog({ stored, servers, preset, onClose, onSaved }: Props) {
  const [name, setName] = useState(stored?.name ?? "");
  const [owner, setOwner] = useState(stored?.owner ?? "");
  const [role, setRole] = useState<Key["role"]>(stored?.role ?? "caller");
  const [life, setLife] = useState(stored ? "keep" : "90");
  const [all, setAll] = useState(stored?.all_servers ?? false);
  const [granted, setGranted] = useState<string[]>(stored?.servers ?? (preset ? [preset] : []));
  const [groups, setGroups] = useState<string[]>(stored?.groups ?? []);
  const [tools, setTools] = useState<Record<string, string[]>>(stored?.tools ?? {});
  const [rate, setRate] = useState<string | number>(stored?.requests_per_minute || "");
  const [disabled, setDisabled] = useState(stored?.disabled ?? false);
  const [touched, setTouched] = useState(false);
  const known = [...new Set(servers.flatMap((s) => s.mcp_access_groups ?? []))].sort();

  const save = useMutation({
    mutationFn: () => {
      const input: KeyInput = { name: name.trim(), role, disabled };
      if (owner.trim() || stored?.owner) input.owner = owner.trim() || null;
      if (life === "never") input.expires_at = null;
      else if (life !== "keep") input.expires_at = new Date(Date.now() + Number(life) * DAY).toISOString();
      input.all_servers = role === "admin" ? false : all;
      input.servers = all ? [] : granted;
      input.groups = all ? [] : groups;
      // A list for a server that is no longer granted would come back with its grant.
      input.tools = Object.fromEntries(Object.entries(tools).filter(([id]) => !all && granted.includes(id)));
      input.requests_per_minute = rate === "" ? null : Number(rate);
      if (!stored && input.requests_per_minute === null) delete input.requests_per_minute;
      return stored ? updateKey(stored, input) : createKey(input);
    },
    onSuccess: (key) => {
      onClose();
      onSaved(key);
    },
  });
  const problems = save.error instanceof ApiError ? save.error.fields : [];
  const problem = (path: string) => problems.find((f) => f.path === path)?.message;
  const missing = name.trim() === "" ? "Enter a name, such as who or what will use the key." : undefined;
  return (
    <Modal
      opened
      onClose={onClose}
      size={720}
      title={stored ? `Edit ${stored.name}` : "Create a key"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        className="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTouched(true);
          if (!missing) save.mutate();
        }}
      >
        <div className="fields">
          <TextInput
            label="Name"
            withAsterisk
            aria-required
            placeholder="ci-release-notes"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            onBlur={() => setTouched(true)}
            error={problem("name") ?? (touched && missing)}
            maxLength={100}
            data-autofocus
          />
          <TextInput
            label="Owner"
            description={undefined}
            placeholder="Team or person"
            value={owner}
            onChange={(event) => setOwner(event.currentTarget.value)}
            error={problem("owner")}
            maxLength={200}
          />
        </div>
        <div className="stack-s">
          <SegmentedControl
            aria-label="Role"
            value={role}
            onChange={(value) => setRole(value as Key["role"])}
            data={[
              { value: "caller", label: "Caller" },
              { value: "viewer", label: "Viewer" },
              { value: "admin", label: "Administrator" },
            ]}
          />
          <span className="soft">{abouts[role]}</span>
        </div>
        {role !== "admin" && (
          <div className="stack-s">
            <Checkbox
              label="Every server, also later ones"
              checked={all}
              onChange={(event) => setAll(event.currentTarget.checked)}
            />
            {!all && (
              <>
                <GrantMatrix
                  servers={servers}
                  groups={groups}
                  granted={granted}
                  onGranted={setGranted}
                  tools={tools}
                  onTools={setTools}
                />
                <TagsInput
                  label="Groups"
                  description="Every server of these groups, also later ones"
                  data={known}
                  value={groups}
                  onChange={setGroups}
                  error={problem("groups")}
                  hiddenInputProps={{ "aria-hidden": true }}
                />
              </>
            )}
          </div>
        )}
        <div className="fields">
          <Select
            label="Expires"
            data={
              stored
                ? [
                    { value: "keep", label: stored.expires_at ? "As it is" : "Never (as it is)" },
                    ...lives.map((l) => (l.value === "never" ? l : { ...l, label: `In ${l.label}` })),
                  ]
                : lives.map((l) => (l.value === "never" ? l : { ...l, label: `In ${l.label}` }))
            }
            value={life}
            onChange={(value) => value && setLife(value)}
            allowDeselect={false}
            error={problem("expires_at")}
          />
          <NumberInput
            label="Requests per minute"
            placeholder="The gateway's default"
            value={rate}
            onChange={setRate}
            min={1}
            max={1_000_000}
            allowDecimal={false}
            hideControls
            error={problem("requests_per_minute")}
          />
          {stored && (
            <Checkbox
              label="Disabled"
              description="The key is refused until it is enabled again."
              checked={disabled}
              onChange={(event) => setDisabled(event.currentTarget.checked)}
            />
          )}
        </div>
        {save.error && <ErrorPanel title="The key was not saved" error={save.error} />}
        <div className="row-apart">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={save.isPending}>
            {stored ? "Save key" : "Create key"}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
