import { ActionIcon, Button, MultiSelect } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useController, useFieldArray, useFormContext, useWatch } from "react-hook-form";

import { serversQuery } from "../../api/servers";
import { Check, Choice, Tags, Text, useProblem } from "../../components/fields";
import { IconPlus, IconTrash } from "../../components/icons";
import { emptyGrant } from "../../domain/claims";
import classes from "./Settings.module.css";

import type { GrantForm } from "../../domain/claims";

interface Form {
  grants: GrantForm[];
}

/** Which claims of a token give what. People who sign in to this UI have a role; callers have servers besides. */
export function Grants({ people, disabled }: { people?: boolean; disabled?: boolean }) {
  const { control } = useFormContext<Form>();
  const { fields, append, remove } = useFieldArray({ control, name: "grants" });
  const problem = useProblem("grants");
  return (
    <fieldset className={classes.grants} disabled={disabled}>
      <legend>{people ? "Who may sign in" : "What its tokens may do"}</legend>
      <span className="soft">
        {people
          ? "A person is let in if a grant matches a claim of the ID token; of several that match, the highest role counts."
          : "Grants that match a token are added up. A token that matches none is refused."}
      </span>
      {fields.map((f, i) => (
        <div key={f.id} role="group" aria-label={`Grant ${i + 1}`} className={classes.grant}>
          <div className={classes.grantFields}>
            <Text
              name={`grants.${i}.claim`}
              label="Claim"
              mono
              placeholder={people ? "groups" : "scope"}
              description={people ? undefined : "Blank: every token."}
            />
            <Text
              name={`grants.${i}.value`}
              label="Is, or holds"
              mono
              placeholder={people ? "platform-team" : "mcp:call"}
            />
            <Choice
              name={`grants.${i}.role`}
              label="Role"
              data={[
                ...(people ? [] : [{ value: "caller", label: "Caller" }]),
                { value: "viewer", label: "Viewer" },
                { value: "admin", label: "Administrator" },
              ]}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              className={classes.remove}
              aria-label={`Remove grant ${i + 1}`}
              onClick={() => remove(i)}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </div>
          {!people && <Reach at={i} />}
        </div>
      ))}
      {problem && (
        <div role="alert" className={classes.problem}>
          {problem}
        </div>
      )}
      <div>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={14} />}
          onClick={() => append(emptyGrant(people ? "viewer" : "caller"))}
        >
          Add a grant
        </Button>
      </div>
    </fieldset>
  );
}

/** The servers that a grant gives. */
function Reach({ at }: { at: number }) {
  const { control } = useFormContext<Form>();
  const grant = useWatch({ control, name: `grants.${at}` });
  const {
    field: { ref, value, onChange, onBlur },
  } = useController({ control, name: `grants.${at}.servers` });
  const error = useProblem(`grants.${at}.servers`);
  const { data } = useQuery(serversQuery);
  const groups = [...new Set((data ?? []).flatMap((s) => s.mcp_access_groups ?? []))].sort();
  if (grant.role === "admin") return <span className="soft">An administrator may use every server.</span>;
  return (
    <>
      <Check name={`grants.${at}.all_servers`} label="Every server, also later ones" />
      {!grant.all_servers && (
        <div className="fields">
          <MultiSelect
            label="Servers"
            data={(data ?? []).map((s) => ({ value: s.server_id, label: s.server_name }))}
            value={value}
            onChange={onChange}
            onBlur={onBlur}
            ref={ref}
            placeholder={value.length === 0 ? "None" : undefined}
            error={error}
            searchable
            hiddenInputProps={{ "aria-hidden": true }}
          />
          <Tags name={`grants.${at}.groups`} label="Groups" suggestions={groups} />
        </div>
      )}
    </>
  );
}
