import { Button, Modal } from "@mantine/core";
import { FormProvider, type FieldValues, type UseFormReturn } from "react-hook-form";

import { ErrorPanel } from "./ErrorPanel";
import { SubmitButton } from "./SubmitButton";

import type { ReactNode } from "react";

interface Props<T extends FieldValues> {
  title: string;
  size: number;
  form: UseFormReturn<T>;
  save: { mutate: (values: T) => void; isPending: boolean };
  submit: string;
  /** Over what was wrong with the last attempt and belongs to no field. */
  failed: string;
  error: unknown;
  onClose: () => void;
  /** The dialog that asks whether unsaved changes may go. */
  unsaved: ReactNode;
  children: ReactNode;
}

/** A form in a dialog of its own, with its buttons. */
export function FormDialog<T extends FieldValues>({ form, save, onClose, ...props }: Props<T>) {
  return (
    <Modal opened onClose={onClose} size={props.size} title={props.title} closeButtonProps={{ "aria-label": "Close" }}>
      <FormProvider {...form}>
        <form
          className="stack"
          noValidate
          onSubmit={(event) => void form.handleSubmit((values) => save.mutate(values))(event)}
        >
          {props.children}
          {props.error ? <ErrorPanel title={props.failed} error={props.error} /> : null}
          <div className="row-apart">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <SubmitButton loading={save.isPending}>{props.submit}</SubmitButton>
          </div>
        </form>
      </FormProvider>
      {props.unsaved}
    </Modal>
  );
}
