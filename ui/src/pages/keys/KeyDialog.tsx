import { Input, Loader, Modal, SegmentedControl } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useController, useForm, useFormContext, useWatch } from "react-hook-form";

import { createKey, updateKey } from "../../api/keys";
import { schemasQuery } from "../../api/schemas";
import { ErrorPanel } from "../../components/ErrorPanel";
import { Check, Choice, Tags, Text } from "../../components/fields";
import { FormDialog } from "../../components/FormDialog";
import { useUnsaved } from "../../components/LeaveDialog";
import { fieldOf, placeProblems } from "../../components/placeProblems";
import { keyForm, keyInput } from "../../domain/keyForm";
import { roleLabels } from "../../domain/keys";
import { fieldMessage, resolverOf } from "../../domain/resolver";
import { GrantMatrix } from "./GrantMatrix";

import type { ApiError } from "../../api/client";
import type { Schemas } from "../../api/schemas";
import type { Key, Server } from "../../api/types";
import type { KeyForm } from "../../domain/keyForm";
import type { FieldMessage } from "../../domain/resolver";
import type { FieldPath } from "react-hook-form";

interface Props {
  stored?: Key;
  servers: Server[];
  /** A server that a new key is to be granted. */
  preset?: string;
  onClose: () => void;
  onSaved: (key: Key) => void;
}

const lives = [
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In 1 year" },
  { value: "never", label: "Never" },
];

const abouts: Record<Key["role"], string> = {
  caller: "Calls the tools of the servers that it was granted.",
  viewer: "Sees everything in this UI but secrets, and changes nothing.",
  admin: "Does everything, these keys included.",
};

export function KeyDialog(props: Props) {
  const schemas = useQuery(schemasQuery);
  if (schemas.data) return <Opened {...props} schemas={schemas.data} />;
  return (
    <Modal opened onClose={props.onClose} title="Access key" closeButtonProps={{ "aria-label": "Close" }}>
      {schemas.error ? (
        <ErrorPanel title="The form could not be made" error={schemas.error} retry={() => void schemas.refetch()} />
      ) : (
        <Loader aria-label="Loading the form" />
      )}
    </Modal>
  );
}

function problemsOf(form: KeyForm, schemas: Schemas, stored?: Key): FieldMessage[] {
  const missing: FieldMessage[] =
    form.name.trim() === "" ? [{ name: "name", message: "Enter a name, such as who or what will use the key." }] : [];
  return [...missing, ...schemas.check("Key", keyInput(form, stored)).map(placed)];
}

/** A problem of one tool is one of the choice of tools. */
const placed = (problem: { path: string[]; message: string }): FieldMessage =>
  problem.path[0] === "tools" ? { name: "tools", message: problem.message } : fieldMessage(problem);

function Opened({ stored, servers, preset, onClose, onSaved, schemas }: Props & { schemas: Schemas }) {
  const [unplaced, setUnplaced] = useState<ApiError>();
  const form = useForm<KeyForm>({
    mode: "onTouched",
    defaultValues: keyForm(stored, preset),
    resolver: resolverOf((values) => problemsOf(values, schemas, stored)),
  });
  const unsaved = useUnsaved(form.formState.isDirty);
  const close = () => unsaved.leave(onClose);
  const save = useMutation({
    mutationFn: (values: KeyForm) =>
      stored ? updateKey(stored, keyInput(values, stored)) : createKey(keyInput(values)),
    onMutate: () => setUnplaced(undefined),
    onSuccess: (key) => {
      unsaved.saved();
      onClose();
      onSaved(key);
    },
    onError: (error) =>
      setUnplaced(
        placeProblems(error, form.setError, (p) => {
          const name = fieldOf(p);
          return name in form.getValues() ? (name as FieldPath<KeyForm>) : undefined;
        }),
      ),
  });
  return (
    <FormDialog
      title={stored ? `Edit ${stored.name}` : "Create a key"}
      size={760}
      form={form}
      save={save}
      submit={stored ? "Save key" : "Create key"}
      failed="The key was not saved"
      error={unplaced}
      onClose={close}
      unsaved={unsaved.dialog}
    >
      <div className="fields">
        <Text name="name" label="Name" required placeholder="ci-release-notes" autofocus />
        <Text name="owner" label="Owner" placeholder="Team or person" />
      </div>
      <Role />
      <Reach servers={servers} />
      <div className="fields">
        <Choice
          name="life"
          label="Expires"
          data={
            stored ? [{ value: "keep", label: stored.expires_at ? "As it is" : "Never (as it is)" }, ...lives] : lives
          }
        />
        <Text
          name="requests_per_minute"
          label="Requests per minute"
          inputMode="numeric"
          placeholder="The gateway's default"
        />
        {stored && (
          <Check name="disabled" label="Disabled" description="The key is refused until it is enabled again." />
        )}
      </div>
    </FormDialog>
  );
}

function Role() {
  const { field } = useController<KeyForm, "role">({ name: "role" });
  return (
    <div className="stack-s">
      <Input.Label labelElement="div" id="role">
        Role
      </Input.Label>
      <SegmentedControl
        aria-labelledby="role"
        value={field.value}
        onChange={field.onChange}
        data={(["caller", "viewer", "admin"] as const).map((value) => ({ value, label: roleLabels[value] }))}
      />
      <span className="soft">{abouts[field.value]}</span>
    </div>
  );
}

/** What a key may use. An administrator may use everything. */
function Reach({ servers }: { servers: Server[] }) {
  const { control } = useFormContext<KeyForm>();
  const [role, all] = useWatch({ control, name: ["role", "all_servers"] });
  const known = [...new Set(servers.flatMap((s) => s.mcp_access_groups ?? []))].sort();
  if (role === "admin") return null;
  return (
    <div className="stack-s">
      <Check name="all_servers" label="Every server, also later ones" />
      {!all && (
        <>
          <GrantMatrix servers={servers} />
          <Tags
            name="groups"
            label="Groups"
            description="Every server of these groups, also later ones"
            suggestions={known}
          />
        </>
      )}
    </div>
  );
}
