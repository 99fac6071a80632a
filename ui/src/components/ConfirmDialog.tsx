import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { ErrorPanel } from "./ErrorPanel";

import type { ReactNode } from "react";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What will be lost. */
  children: ReactNode;
  action: string;
  run: () => Promise<unknown>;
  /** What the person has to type, for what cannot be undone and hurts. */
  typed?: string;
  harmless?: boolean;
}

/** Asks before something is lost, does it, and stays open with the reason if it failed. */
export function ConfirmDialog({ opened, onClose, title, children, action, run, typed, harmless }: Props) {
  const [text, setText] = useState("");
  const close = () => {
    setText("");
    attempt.reset();
    onClose();
  };
  const attempt = useMutation({ mutationFn: run, onSuccess: close });
  return (
    <Modal opened={opened} onClose={close} title={title} closeButtonProps={{ "aria-label": "Close" }} centered>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate();
        }}
      >
        <div>{children}</div>
        {typed && (
          <TextInput
            label={`Type ${typed} to confirm`}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        {attempt.error && <ErrorPanel error={attempt.error} />}
        <div className="row-apart">
          <Button variant="default" onClick={close} data-autofocus={typed ? undefined : true}>
            Cancel
          </Button>
          <Button
            type="submit"
            color={harmless ? undefined : "red"}
            loading={attempt.isPending}
            disabled={typed !== undefined && text.trim() !== typed}
          >
            {action}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
