import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconCheck, IconCopy } from "./icons";
import { useEffect, useState } from "react";

/** Copies a text. Without a visible text it is an icon with the label as its name. */
export function CopyButton({ value, label, text }: { value: string; label: string; text?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = window.setTimeout(() => setCopied(false), 1500);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const copy = () => {
    void navigator.clipboard.writeText(value).then(() => setCopied(true));
  };
  const icon = copied ? <IconCheck size={15} /> : <IconCopy size={15} />;
  if (text) {
    return (
      <Button variant="default" size="compact-sm" leftSection={icon} onClick={copy} aria-label={label}>
        {copied ? "Copied" : text}
      </Button>
    );
  }
  return (
    <Tooltip label={copied ? "Copied" : label}>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={copied ? "Copied" : label} onClick={copy}>
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
