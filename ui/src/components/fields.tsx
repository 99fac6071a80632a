// Inputs tied to the state of a form: an error appears as the field is left, and where the gateway says so.

import { ActionIcon, Button, Checkbox, PasswordInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { get, useController, useFieldArray, useFormContext } from "react-hook-form";

import classes from "./fields.module.css";
import { IconPlus, IconTrash } from "./icons";

import type { ComboboxData } from "@mantine/core";
import type { ReactNode } from "react";

export interface FieldProps {
  name: string;
  label: string;
  description?: ReactNode;
  placeholder?: string;
  className?: string;
  disabled?: boolean;
}

/** The error's text, if the field has one. */
export function useProblem(name: string): string | undefined {
  const { formState } = useFormContext();
  const error = get(formState.errors, name) as { message?: string } | undefined;
  return error?.message;
}

export interface TextProps extends FieldProps {
  required?: boolean;
  inputMode?: "url" | "numeric" | "decimal";
  mono?: boolean;
  autofocus?: boolean;
}

export function Text({ name, required, mono, inputMode, autofocus, ...common }: TextProps) {
  const { register } = useFormContext();
  return (
    <TextInput
      {...common}
      {...register(name)}
      error={useProblem(name)}
      withAsterisk={required}
      aria-required={required}
      inputMode={inputMode}
      autoComplete="off"
      spellCheck={false}
      classNames={mono ? { input: "mono" } : undefined}
      data-autofocus={autofocus || undefined}
    />
  );
}

export function Long({ name, rows = 3, mono, ...common }: FieldProps & { rows?: number; mono?: boolean }) {
  const { register } = useFormContext();
  return (
    <Textarea
      {...common}
      {...register(name)}
      error={useProblem(name)}
      autosize={false}
      rows={rows}
      resize="vertical"
      {...(mono ? { classNames: { input: "mono" }, spellCheck: false, autoComplete: "off" } : {})}
    />
  );
}

/** A secret. It is never filled in from what is stored; blank keeps that. */
export function Secret({ name, required, ...common }: FieldProps & { required?: boolean }) {
  const { register } = useFormContext();
  return (
    <PasswordInput
      {...common}
      {...register(name)}
      error={useProblem(name)}
      withAsterisk={required}
      aria-required={required}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": `Show ${common.label}` }}
    />
  );
}

export interface TagsProps extends FieldProps {
  suggestions?: string[];
  /** Entries have no spaces: one ends an entry, as a comma does. */
  words?: boolean;
}

export function Tags({ name, suggestions, words, ...common }: TagsProps) {
  const { control } = useFormContext();
  const {
    field: { ref, onChange, onBlur, value },
  } = useController({ control, name });
  const entries = value as string[];
  return (
    <TagsInput
      {...common}
      ref={ref}
      value={entries}
      onChange={onChange}
      onBlur={onBlur}
      data={suggestions}
      splitChars={words ? [",", " "] : [","]}
      acceptValueOnBlur
      placeholder={entries.length === 0 ? common.placeholder : undefined}
      error={useProblem(name)}
      hiddenInputProps={{ "aria-hidden": true }}
    />
  );
}

export function Check({ name, ...common }: FieldProps) {
  const { register } = useFormContext();
  return <Checkbox {...common} {...register(name)} error={useProblem(name)} />;
}

/** One of several values; "" is none, where there is a word for it. */
export function Choice({ name, data, ...common }: FieldProps & { data: ComboboxData }) {
  const { control } = useFormContext();
  const {
    field: { ref, onChange, onBlur, value },
  } = useController({ control, name });
  return (
    <Select
      {...common}
      data={data}
      value={value as string}
      onChange={(next) => onChange(next ?? "")}
      onBlur={onBlur}
      ref={ref}
      allowDeselect={false}
      error={useProblem(name)}
    />
  );
}

/** Rows of a name and a value. */
export function Pairs({ name, label, description, add }: FieldProps & { add: string }) {
  const { control, register, trigger } = useFormContext<Record<string, { name: string; value: string }[]>>();
  const { fields, append, remove } = useFieldArray({ control, name });
  const error = useProblem(name);
  const check = { onBlur: () => void trigger(name) };
  return (
    <fieldset className={`wide ${classes.pairs ?? ""}`}>
      <legend>{label}</legend>
      <div className="soft">{description}</div>
      <div className="stack-s">
        {fields.map((f, i) => (
          <div key={f.id} className={classes.pair}>
            <TextInput
              aria-label={`${label}: name ${i + 1}`}
              placeholder="Name"
              autoComplete="off"
              {...register(`${name}.${i}.name`, check)}
            />
            <TextInput
              aria-label={`${label}: value ${i + 1}`}
              placeholder="Value"
              autoComplete="off"
              {...register(`${name}.${i}.value`, check)}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove row ${i + 1} of ${label}`}
              onClick={() => {
                remove(i);
                void trigger(name);
              }}
            >
              <IconTrash size={16} />
            </ActionIcon>
          </div>
        ))}
        {error && (
          <div role="alert" className={classes.error}>
            {error}
          </div>
        )}
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
