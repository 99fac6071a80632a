// The form's inputs, tied to the form's state: an error appears as the field is left, and where the gateway says so.

import { ActionIcon, Button, Checkbox, PasswordInput, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useController, useFieldArray, useFormContext } from "react-hook-form";

import { IconPlus, IconTrash } from "../../components/icons";
import { isHttpUrl } from "../../domain/url";
import classes from "./ServerFormPage.module.css";

import type { ServerForm } from "../../domain/serverForm";
import type { ReactNode } from "react";
import type { RegisterOptions } from "react-hook-form";

type Named<T> = { [Name in keyof ServerForm]: ServerForm[Name] extends T ? Name : never }[keyof ServerForm];

interface Common {
  label: string;
  description?: ReactNode;
  placeholder?: string;
  className?: string;
}

/** The error's text, if the field has one. */
export function useProblem(name: keyof ServerForm): string | undefined {
  const { formState } = useFormContext<ServerForm>();
  return formState.errors[name]?.message as string | undefined;
}

interface TextProps extends Common {
  name: Named<string>;
  rules?: RegisterOptions<ServerForm>;
  required?: boolean;
  inputMode?: "url" | "numeric" | "decimal";
  mono?: boolean;
  onBlur?: () => void;
}

export const requiredRule = (what: string): RegisterOptions<ServerForm> => ({
  validate: (value) => String(value).trim() !== "" || `Enter ${what}.`,
});

export const urlRule = (required?: string): RegisterOptions<ServerForm> => ({
  validate: (value) => {
    const text = String(value).trim();
    if (text === "") return required ? `Enter ${required}.` : true;
    return isHttpUrl(text) || "Enter a whole URL, such as https://example.com/mcp.";
  },
});

export const numberRule = (most: number, what: string): RegisterOptions<ServerForm> => ({
  validate: (value) => {
    const text = String(value).trim();
    return text === "" || (Number(text) >= 0 && Number(text) <= most) || `Enter ${what} between 0 and ${most}.`;
  },
});

export function Text({ name, rules, required, mono, onBlur, inputMode, ...common }: TextProps) {
  const { register } = useFormContext<ServerForm>();
  const error = useProblem(name);
  return (
    <TextInput
      {...common}
      {...register(name, { ...rules, ...(onBlur ? { onBlur } : {}) } as RegisterOptions<ServerForm, typeof name>)}
      error={error}
      withAsterisk={required}
      aria-required={required}
      inputMode={inputMode}
      autoComplete="off"
      spellCheck={false}
      classNames={mono ? { input: "mono" } : undefined}
    />
  );
}

export function Long({ name, ...common }: Common & { name: Named<string> }) {
  const { register } = useFormContext<ServerForm>();
  return (
    <Textarea {...common} {...register(name)} error={useProblem(name)} autosize={false} rows={3} resize="vertical" />
  );
}

/** A secret. It is never filled in from what is stored; blank keeps that. */
export function Secret({ name, rules, required, ...common }: TextProps) {
  const { register } = useFormContext<ServerForm>();
  return (
    <PasswordInput
      {...common}
      {...register(name, rules as RegisterOptions<ServerForm, typeof name>)}
      error={useProblem(name)}
      withAsterisk={required}
      aria-required={required}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": `Show ${common.label}` }}
    />
  );
}

export function Tags({ name, suggestions, ...common }: Common & { name: Named<string[]>; suggestions?: string[] }) {
  const { control } = useFormContext<ServerForm>();
  const {
    field: { ref, onChange, onBlur, value },
  } = useController({ control, name });
  return (
    <TagsInput
      {...common}
      ref={ref}
      value={value}
      onChange={onChange}
      onBlur={onBlur}
      data={suggestions}
      splitChars={[",", " "]}
      acceptValueOnBlur
      placeholder={value.length === 0 ? common.placeholder : undefined}
      error={useProblem(name)}
      hiddenInputProps={{ "aria-hidden": true }}
    />
  );
}

export function Check({ name, ...common }: Common & { name: Named<boolean> }) {
  const { register } = useFormContext<ServerForm>();
  return <Checkbox {...common} {...register(name)} error={useProblem(name)} />;
}

interface PairsProps {
  name: "extra_token_params" | "static_headers";
  label: string;
  description: string;
  add: string;
}

/** Rows of a name and a value. */
export function Pairs({ name, label, description, add }: PairsProps) {
  const { control, register } = useFormContext<ServerForm>();
  const { fields, append, remove } = useFieldArray({ control, name });
  const error = useProblem(name);
  return (
    <fieldset className={`wide ${classes.pairs ?? ""}`}>
      <legend>{label}</legend>
      <div className="soft">{description}</div>
      <div className="stack-s">
        {fields.map((f, i) => (
          <div key={f.id} className={classes.pair}>
            <TextInput aria-label={`${label}: name ${i + 1}`} placeholder="Name" {...register(`${name}.${i}.name`)} />
            <TextInput
              aria-label={`${label}: value ${i + 1}`}
              placeholder="Value"
              autoComplete="off"
              {...register(`${name}.${i}.value`)}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove row ${i + 1} of ${label}`}
              onClick={() => remove(i)}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </div>
        ))}
        {error && <div role="alert">{error}</div>}
        <div>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => append({ name: "", value: "" })}
          >
            {add}
          </Button>
        </div>
      </div>
    </fieldset>
  );
}
