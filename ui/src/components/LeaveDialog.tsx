import { Button, Modal } from "@mantine/core";
import { useBlocker } from "@tanstack/react-router";
import { useRef, useState } from "react";

import type { ReactNode } from "react";

interface Unsaved {
  /** The dialog; to be rendered by the page. */
  dialog: ReactNode;
  /** Does something that loses the changes, after asking if there are any. */
  leave: (action: () => void) => void;
  /** The changes are saved: nothing is asked from here on. */
  saved: () => void;
}

/** Asks before unsaved changes are left behind: by a link, the browser's buttons, or what is given to leave. */
export function useUnsaved(dirty: boolean): Unsaved {
  const settled = useRef(false);
  const [held, setHeld] = useState<() => void>();
  const atRisk = () => dirty && !settled.current;
  const blocker = useBlocker({ shouldBlockFn: atRisk, enableBeforeUnload: atRisk, withResolver: true });
  const blocked = blocker.status === "blocked";
  const stay = () => {
    setHeld(undefined);
    if (blocked) blocker.reset();
  };
  const go = () => {
    settled.current = true;
    setHeld(undefined);
    if (blocked) blocker.proceed();
    held?.();
  };
  return {
    leave: (action) => (atRisk() ? setHeld(() => action) : action()),
    saved: () => {
      settled.current = true;
    },
    dialog: (
      <Modal
        opened={blocked || held !== undefined}
        onClose={stay}
        title="Leave without saving?"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
        zIndex={300}
      >
        <div className="stack">
          <span>What you changed here is not saved and will be lost.</span>
          <div className="row-apart">
            <Button variant="default" onClick={stay} data-autofocus>
              Stay
            </Button>
            <Button color="red" onClick={go}>
              Leave
            </Button>
          </div>
        </div>
      </Modal>
    ),
  };
}
