import { Button, Modal, Select } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { rotateKey } from "../../api/keys";
import { ErrorPanel } from "../../components/ErrorPanel";

import type { Key } from "../../api/types";

const overlaps = [
  { value: "0", label: "Stops at once" },
  { value: "3600", label: "Works for 1 hour more" },
  { value: "86400", label: "Works for 1 day more" },
  { value: "604800", label: "Works for 7 days more" },
];

/** Gives a key a new secret; the old one may go on for a while. */
export function RotateDialog({
  item,
  onClose,
  onRotated,
}: {
  item: Key;
  onClose: () => void;
  onRotated: (key: Key) => void;
}) {
  const [overlap, setOverlap] = useState("3600");
  const rotate = useMutation({
    mutationFn: () => rotateKey(item.id, Number(overlap)),
    onSuccess: (key) => {
      onClose();
      onRotated(key);
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Rotate ${item.name}`} closeButtonProps={{ "aria-label": "Close" }} centered>
      <div className="stack">
        <span>The key gets a new secret, which is shown once. Name, grants and limits stay.</span>
        <Select
          label="The old secret"
          data={overlaps}
          value={overlap}
          onChange={(value) => value && setOverlap(value)}
          allowDeselect={false}
        />
        {rotate.error && <ErrorPanel error={rotate.error} />}
        <div className="row-apart">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={rotate.isPending} onClick={() => rotate.mutate()}>
            Rotate key
          </Button>
        </div>
      </div>
    </Modal>
  );
}
