import { Switch, TagsInput, TextInput, Title } from "@mantine/core";

import { parametersOf } from "../../domain/toolPolicy";

import type { Tool } from "../../api/types";
import type { ToolDraft } from "../../domain/toolPolicy";

interface Props {
  tool: Tool;
  draft: ToolDraft;
  setDraft: (draft: ToolDraft) => void;
}

/** How one tool is shown to callers, which parameters they may set, and what a call of it costs. */
export function ToolPolicy({ tool, draft, setDraft }: Props) {
  const put = (field: "names" | "descriptions" | "costs", value: string) => {
    const { [tool.name]: _, ...rest } = draft[field];
    setDraft({ ...draft, [field]: value === "" ? rest : { ...rest, [tool.name]: value } });
  };
  const cost = draft.costs[tool.name];
  return (
    <section className="panel" aria-labelledby="policy">
      <Title order={2} id="policy">
        For callers
      </Title>
      <div className="fields">
        <TextInput
          label="Title"
          description={`What people read; callers still call ${tool.name}. Blank: the server's own.`}
          placeholder={tool.title ?? tool.annotations?.title ?? tool.name}
          value={draft.names[tool.name] ?? ""}
          onChange={(event) => put("names", event.currentTarget.value)}
        />
        <TextInput
          label="Cost of a call"
          description="Blank: the server's."
          inputMode="decimal"
          value={cost ?? ""}
          onChange={(event) => put("costs", event.currentTarget.value)}
          error={cost !== undefined && !(Number(cost) >= 0) ? "Enter a number, such as 0.002." : undefined}
        />
        <TextInput
          className="wide"
          label="Description"
          description="Blank: the server's own."
          placeholder={tool.description}
          value={draft.descriptions[tool.name] ?? ""}
          onChange={(event) => put("descriptions", event.currentTarget.value)}
        />
        <Parameters tool={tool} draft={draft} setDraft={setDraft} />
      </div>
    </section>
  );
}

function Parameters({ tool, draft, setDraft }: Props) {
  const { names, required } = parametersOf(tool);
  const permitted = draft.parameters[tool.name];
  const put = (next: string[] | undefined) => {
    const { [tool.name]: _, ...rest } = draft.parameters;
    setDraft({ ...draft, parameters: next ? { ...rest, [tool.name]: next } : rest });
  };
  const missing = permitted ? required.filter((name) => !permitted.includes(name)) : [];
  return (
    <div className="wide stack-s">
      <Switch
        label="Limit the parameters"
        description="Off: callers may set any."
        checked={permitted !== undefined}
        onChange={(event) => put(event.currentTarget.checked ? names : undefined)}
      />
      {permitted && (
        <TagsInput
          label="Parameters that callers may set"
          description="A call with any other is refused. None: only calls without parameters."
          data={names}
          value={permitted}
          onChange={put}
          acceptValueOnBlur
          hiddenInputProps={{ "aria-hidden": true }}
          error={missing.length > 0 ? `The tool requires ${missing.join(", ")}: no call of it can succeed.` : undefined}
        />
      )}
    </div>
  );
}
