import { Button, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useFormContext, useWatch } from "react-hook-form";

import { discover } from "../../api/tests";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconWand } from "../../components/icons";
import { isHttpUrl, slugOf } from "../../domain/url";
import { Long, Text } from "./fields";
import classes from "./ServerFormPage.module.css";

import type { ClientAuth, Discovery, Server } from "../../api/types";
import type { ServerForm } from "../../domain/serverForm";

export function Basics({ stored }: { stored?: Server }) {
  const { control } = useFormContext<ServerForm>();
  const name = useWatch({ control, name: "server_name" });
  return (
    <section className="panel stack" aria-labelledby="basics">
      <Title order={2} id="basics">
        Server
      </Title>
      <div className="fields">
        <Text name="server_name" label="Server name" required placeholder="Weather" />
        <Text
          name="slug"
          label="Slug"
          mono
          description={
            stored
              ? `Callers use /mcp/${stored.slug}; a change breaks their addresses.`
              : "In addresses and before tool names; made of the name if left blank."
          }
          placeholder={slugOf(name) || "weather"}
        />
        <Url />
        <div className="wide">
          <Long name="description" label="Description" description="For people who choose a server. Optional." />
        </div>
      </div>
    </section>
  );
}

/** Something that Discover found: where it came from, and what it was put into. */
interface Finding {
  what: string;
  value: string;
  from: string;
}

function Url() {
  const { getValues, setValue, trigger } = useFormContext<ServerForm>();
  const [findings, setFindings] = useState<Finding[]>();
  const look = useMutation({
    mutationFn: () => discover(getValues("url").trim()),
    onSuccess: (found) => setFindings(fill(found, setValue)),
  });
  const start = async () => {
    setFindings(undefined);
    if (await trigger("url", { shouldFocus: true })) look.mutate();
  };
  return (
    <div className="wide stack-s">
      <div className={classes.urlLine}>
        <Text
          name="url"
          label="URL"
          required
          mono
          inputMode="url"
          description="The MCP endpoint (Streamable HTTP)."
          placeholder="https://mcp.example.com/mcp"
        />
        <Button
          variant="default"
          leftSection={<IconWand size={16} />}
          loading={look.isPending}
          onClick={() => void start()}
        >
          Discover
        </Button>
      </div>
      {look.error && (
        <ErrorPanel title="Nothing was discovered" error={look.error}>
          <p>You can enter the authorization data by hand; nothing was changed.</p>
        </ErrorPanel>
      )}
      {findings && findings.length === 0 && (
        <div className={classes.note}>
          The server publishes no authorization data. It may be open, or want a fixed credential.
        </div>
      )}
      {findings && findings.length > 0 && (
        <div className={classes.note} role="status">
          <strong>Found and filled in</strong>
          <dl className="facts">
            {findings.map((f) => (
              <div key={f.what} className={classes.contents}>
                <dt>{f.what}</dt>
                <dd>
                  <code>{f.value}</code>
                  <span className={classes.found}>from {f.from}</span>
                </dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </div>
  );
}

type SetValue = ReturnType<typeof useFormContext<ServerForm>>["setValue"];

/** Puts what was discovered into the form, and tells where each value came from. */
function fill(found: Discovery, setValue: SetValue): Finding[] {
  const findings: Finding[] = [];
  const resource = found.resource_metadata_url ?? "the server's challenge (RFC 9728)";
  const server = found.server_metadata_url ?? "the authorization server's metadata (RFC 8414)";
  const put = (
    what: string,
    name: "token_url" | "issuer" | "authorization_url" | "registration_url" | "upstream_resource",
    value: string | undefined,
    from: string,
  ) => {
    if (!value || !(name === "upstream_resource" || isHttpUrl(value))) return;
    setValue(name, value, { shouldDirty: true, shouldValidate: true });
    findings.push({ what, value, from });
  };
  put("Issuer", "issuer", found.issuer, resource);
  put("Token URL", "token_url", found.token_url, server);
  put("Authorization URL", "authorization_url", found.authorization_url, server);
  put("Registration URL", "registration_url", found.registration_url, server);
  put("Resource", "upstream_resource", found.resource, resource);
  if (found.scopes_supported && found.scopes_supported.length > 0) {
    setValue("scopes", found.scopes_supported, { shouldDirty: true });
    findings.push({ what: "Scopes", value: found.scopes_supported.join(" "), from: resource });
  }
  const known: ClientAuth[] = ["private_key_jwt", "client_secret_basic", "client_secret_post", "client_secret_jwt"];
  const methods = found.token_endpoint_auth_methods_supported ?? [];
  const method =
    known.find((m) => m.startsWith("client_secret") && methods.includes(m)) ?? known.find((m) => methods.includes(m));
  if (method) {
    setValue("token_endpoint_auth_method", method, { shouldDirty: true });
    findings.push({ what: "Client authentication", value: method, from: server });
  }
  if (findings.length > 0) setValue("auth_type", "oauth2", { shouldDirty: true });
  return findings;
}
