import { Button, Modal, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { settingsQuery } from "../../api/settings";
import { CopyButton } from "../../components/CopyButton";
import { Code } from "../../components/Json";
import { snippets } from "../../domain/snippets";
import classes from "./Keys.module.css";

import type { Key, Server } from "../../api/types";

/** A new key, shown this once, and how to use it. */
export function ShownOnce({ item, servers, onClose }: { item: Key; servers: Server[]; onClose: () => void }) {
  const settings = useQuery(settingsQuery);
  const origin = (settings.data?.public_url || window.location.origin).replace(/\/$/, "");
  const key = item.key ?? "";
  // With groups or every server the aggregate reaches what is added later, too.
  const whole = item.all_servers === true || (item.groups ?? []).length > 0;
  const slugs = whole ? [] : servers.filter((s) => item.servers?.includes(s.server_id)).map((s) => s.slug);
  const found = snippets(origin, key, slugs);
  return (
    <Modal
      opened
      onClose={onClose}
      title={`The key ${item.name}`}
      size={720}
      closeOnClickOutside={false}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <div className="stack">
        <div className={classes.warn}>Copy it now: it is not stored, and cannot be shown again.</div>
        <div className={classes.key}>
          <code data-testid="new-key">{key}</code>
          <CopyButton value={key} label="Copy the key" text="Copy" />
        </div>
        {item.role === "caller" ? (
          <Tabs defaultValue="claude">
            <Tabs.List aria-label="Configuration for">
              {found.map((s) => (
                <Tabs.Tab key={s.id} value={s.id}>
                  {s.label}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            {found.map((s) => (
              <Tabs.Panel key={s.id} value={s.id} pt="sm">
                <div className="stack-s">
                  <span className="soft">{s.where}</span>
                  <Code text={s.text} label={`the configuration for ${s.label}`} />
                </div>
              </Tabs.Panel>
            ))}
          </Tabs>
        ) : (
          <span className="soft">Its owner signs in to this UI with it.</span>
        )}
        <div className="row-apart">
          <span />
          <Button onClick={onClose}>I have copied it</Button>
        </div>
      </div>
    </Modal>
  );
}
