import "@mantine/dates/styles.layer.css";

import { Title } from "@mantine/core";
import { withTheme } from "@rjsf/core";
import { Theme } from "@rjsf/mantine";
import { buttonId, canExpand, descriptionId, titleId } from "@rjsf/utils";
import { useMemo } from "react";

import classes from "./Playground.module.css";
import { validator } from "./validator";

import type { ObjectFieldTemplateProps, RJSFSchema, TitleFieldProps, UiSchema } from "@rjsf/utils";
import type { ReactNode } from "react";

const Base = withTheme<unknown>(Theme as Parameters<typeof withTheme<unknown>>[0]);

// The theme's own templates lay out with Mantine's grids, which write <style> elements: the policy forbids those.

function FieldTitle({
  id,
  title,
  optionalDataControl,
}: Pick<TitleFieldProps<unknown>, "id" | "title" | "optionalDataControl">) {
  return (
    <div className="row-apart">
      {title && (
        <Title order={4} id={id} size="h5">
          {title}
        </Title>
      )}
      {optionalDataControl}
    </div>
  );
}

function ObjectFields(props: ObjectFieldTemplateProps<unknown>) {
  const {
    title,
    description,
    properties,
    fieldPathId,
    registry,
    schema,
    uiSchema,
    formData,
    disabled,
    readonly,
    onAddProperty,
    optionalDataControl,
  } = props;
  const { AddButton } = registry.templates.ButtonTemplates;
  const nested = fieldPathId.path.length > 0;
  return (
    <div id={fieldPathId.$id} className={nested ? classes.nested : classes.fields}>
      {title && nested && (
        <FieldTitle id={titleId(fieldPathId)} title={title} optionalDataControl={optionalDataControl} />
      )}
      {description && nested && (
        <div id={descriptionId(fieldPathId)} className="soft">
          {description}
        </div>
      )}
      {properties
        .filter((p) => !p.hidden)
        .map((p) => (
          <div key={p.name}>{p.content as ReactNode}</div>
        ))}
      {canExpand(schema, uiSchema, formData as never) && (
        <AddButton
          id={buttonId(fieldPathId, "add")}
          disabled={disabled === true || readonly === true}
          onClick={onAddProperty}
          uiSchema={uiSchema}
          registry={registry}
        />
      )}
    </div>
  );
}

const templates = { ObjectFieldTemplate: ObjectFields, TitleFieldTemplate: FieldTitle };

const ui: UiSchema = { "ui:submitButtonOptions": { norender: true }, "ui:rootFieldId": "arg" };

interface Props {
  schema: Record<string, unknown>;
  value: unknown;
  onChange: (value: unknown) => void;
  onSubmit: (value: unknown) => void;
  formId: string;
}

/** A form for the arguments of a tool, made of its JSON Schema. */
export function ArgumentsForm({ schema, value, onChange, onSubmit, formId }: Props) {
  const shown = useMemo(() => {
    const { $schema: _, title: __, ...rest } = schema as RJSFSchema;
    return { type: "object", ...rest } as RJSFSchema;
  }, [schema]);
  return (
    <Base
      id={formId}
      schema={shown}
      uiSchema={ui}
      validator={validator as never}
      templates={templates as never}
      formData={value}
      onChange={(event) => onChange(event.formData)}
      onSubmit={(event) => onSubmit(event.formData)}
      showErrorList={false}
      noHtml5Validate
      omitExtraData={false}
      focusOnFirstError
      idPrefix="arg"
    />
  );
}
