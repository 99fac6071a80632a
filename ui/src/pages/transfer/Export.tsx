import { Button, SegmentedControl, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { download } from "../../api/transfer";
import { useIsAdmin } from "../../app/session";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconDownload, IconLock } from "../../components/icons";

export function Export() {
  const admin = useIsAdmin();
  const [format, setFormat] = useState("yaml");
  const [recipient, setRecipient] = useState("");
  const plain = useMutation({ mutationFn: () => download(`/v1/export?format=${format}`, `grantway.${format}`) });
  const sealed = useMutation({
    mutationFn: () => download("/v1/export", `grantway.${format}.age`, { recipient: recipient.trim(), format }),
  });
  const wrong = recipient.trim() !== "" && !/^age1[a-z0-9]{50,}$/.test(recipient.trim());
  return (
    <section className="panel stack" aria-labelledby="export">
      <Title order={2} id="export">
        Export
      </Title>
      <div className="row">
        <SegmentedControl
          size="xs"
          aria-label="Format of the export"
          value={format}
          onChange={setFormat}
          data={[
            { value: "yaml", label: "YAML" },
            { value: "json", label: "JSON" },
          ]}
        />
        <Button
          variant="default"
          leftSection={<IconDownload size={16} />}
          loading={plain.isPending}
          onClick={() => plain.mutate()}
        >
          Export without secrets
        </Button>
      </div>
      {plain.error && <ErrorPanel title="Nothing was exported" error={plain.error} />}
      {admin && (
        <>
          <div className="row">
            <TextInput
              className="grow"
              label="Recipient"
              description="An age public key: only its owner can read the file. Make one with age-keygen."
              placeholder="age1…"
              value={recipient}
              onChange={(event) => setRecipient(event.currentTarget.value)}
              error={wrong ? "An age recipient begins with age1." : undefined}
              classNames={{ input: "mono" }}
              autoComplete="off"
              spellCheck={false}
            />
          </div>
          <div>
            <Button
              variant="default"
              leftSection={<IconLock size={16} />}
              loading={sealed.isPending}
              disabled={recipient.trim() === "" || wrong}
              onClick={() => sealed.mutate()}
            >
              Export with secrets, encrypted
            </Button>
          </div>
          {sealed.error && <ErrorPanel title="Nothing was exported" error={sealed.error} />}
        </>
      )}
    </section>
  );
}
