import { Button, FileButton, PasswordInput, Select, Textarea, Title } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { importConfiguration } from "../../api/transfer";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconUpload } from "../../components/icons";
import { done } from "../../components/notices";
import { environmentNames } from "../../domain/environment";
import { ImportPlan } from "./ImportPlan";

import type { ImportOptions } from "../../api/transfer";

/** First what an import would do, then the import itself. */
export function Import() {
  const client = useQueryClient();
  const [text, setText] = useState("");
  const [file, setFile] = useState<string>();
  const [options, setOptions] = useState<ImportOptions>({ format: "auto", on_conflict: "update" });
  const [values, setValues] = useState<Record<string, string>>({});
  const names = environmentNames(text);
  const known = Object.fromEntries(names.filter((n) => values[n]).map((n) => [n, values[n] ?? ""]));
  const plan = useMutation({ mutationFn: () => importConfiguration(text, known, options, true) });
  const apply = useMutation({
    mutationFn: () => importConfiguration(text, known, options, false),
    onSuccess: (result) => {
      if (!result.applied) return;
      void client.invalidateQueries();
      done(
        `Imported: ${result.changes.filter((c) => c.action !== "unchanged" && c.action !== "skip").length} changes.`,
      );
    },
  });
  const changed = (next: string) => {
    setText(next);
    plan.reset();
    apply.reset();
  };
  const result = apply.data ?? plan.data;
  const ready = plan.data !== undefined && plan.data.problems.length === 0 && !apply.data?.applied;
  const work = plan.data?.changes.filter((c) => c.action !== "unchanged" && c.action !== "skip").length ?? 0;
  return (
    <form
      className="panel stack"
      aria-labelledby="import"
      onSubmit={(event) => {
        event.preventDefault();
        plan.mutate();
      }}
    >
      <Title order={2} id="import">
        Import
      </Title>
      <span className="soft">
        Grantway YAML or JSON, a LiteLLM <code>config.yaml</code>, or an <code>mcpServers</code> file of an MCP client.
        Nothing is changed before you have seen what would be.
      </span>
      <div className="row">
        <FileButton
          accept=".yaml,.yml,.json,text/yaml,application/json"
          onChange={(chosen) => {
            if (!chosen) return;
            setFile(chosen.name);
            void chosen.text().then(changed);
          }}
        >
          {(props) => (
            <Button {...props} variant="default" leftSection={<IconUpload size={16} />}>
              Choose a file
            </Button>
          )}
        </FileButton>
        <span className="soft">{file ?? "or paste it below"}</span>
      </div>
      <Textarea
        label="Configuration"
        rows={9}
        value={text}
        onChange={(event) => changed(event.currentTarget.value)}
        placeholder={"mcp_servers:\n  weather:\n    url: https://mcp.example.com/mcp"}
        classNames={{ input: "mono" }}
        spellCheck={false}
        autoComplete="off"
      />
      {names.length > 0 && (
        <div className="stack-s">
          <span>
            The file takes these values from the environment. They are sent once, sealed, and never shown again.
          </span>
          {/* For password managers, which file a secret under a name. */}
          <input type="text" name="username" autoComplete="username" value="grantway" readOnly hidden />
          <div className="fields">
            {names.map((n) => (
              <PasswordInput
                key={n}
                label={n}
                value={values[n] ?? ""}
                onChange={(event) => {
                  setValues({ ...values, [n]: event.currentTarget.value });
                  plan.reset();
                }}
                autoComplete="new-password"
                visibilityToggleButtonProps={{ "aria-label": `Show ${n}` }}
              />
            ))}
          </div>
        </div>
      )}
      <div className="fields">
        <Select
          label="Format"
          value={options.format}
          onChange={(value) => {
            setOptions({ ...options, format: (value ?? "auto") as ImportOptions["format"] });
            plan.reset();
          }}
          data={[
            { value: "auto", label: "Recognise it" },
            { value: "grantway", label: "Grantway" },
            { value: "litellm", label: "LiteLLM config.yaml" },
            { value: "mcpservers", label: "mcpServers JSON" },
          ]}
          allowDeselect={false}
        />
        <Select
          label="What exists already"
          value={options.on_conflict}
          onChange={(value) => {
            setOptions({ ...options, on_conflict: (value ?? "update") as ImportOptions["on_conflict"] });
            plan.reset();
          }}
          data={[
            { value: "update", label: "Is changed to what the file says" },
            { value: "skip", label: "Stays as it is" },
            { value: "fail", label: "Stops the import" },
          ]}
          allowDeselect={false}
        />
      </div>
      <div className="row">
        <Button
          variant={ready ? "default" : "filled"}
          loading={plan.isPending}
          disabled={text.trim() === ""}
          type="submit"
        >
          Show what would change
        </Button>
        {ready && (
          <Button loading={apply.isPending} disabled={work === 0} onClick={() => apply.mutate()}>
            Import {work} {work === 1 ? "change" : "changes"}
          </Button>
        )}
      </div>
      {(plan.error ?? apply.error) && (
        <ErrorPanel title="The file was not imported" error={apply.error ?? plan.error} />
      )}
      {result && <ImportPlan result={result} />}
    </form>
  );
}
