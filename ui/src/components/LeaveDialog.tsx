import { Button, Modal } from "@mantine/core";

import type { useBlocker } from "@tanstack/react-router";

/** Asks before unsaved changes are left behind. */
export function LeaveDialog({ blocker }: { blocker: ReturnType<typeof useBlocker> }) {
  const { status, proceed, reset } = blocker as { status: string; proceed?: () => void; reset?: () => void };
  return (
    <Modal
      opened={status === "blocked"}
      onClose={() => reset?.()}
      title="Leave without saving?"
      closeButtonProps={{ "aria-label": "Close" }}
      centered
    >
      <div className="stack">
        <span>What you changed on this page is not saved and will be lost.</span>
        <div className="row-apart">
          <Button variant="default" onClick={() => reset?.()} data-autofocus>
            Stay
          </Button>
          <Button color="red" onClick={() => proceed?.()}>
            Leave
          </Button>
        </div>
      </div>
    </Modal>
  );
}
