import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { versionQuery } from "../api/session";
import { CopyButton } from "../components/CopyButton";
import { ErrorPanel } from "../components/ErrorPanel";
import { PageHeader } from "../components/PageHeader";
import { Fact } from "./server/Overview";

const hosts: Record<string, string> = {
  hostsim: "hostsim (wazero)",
  workerd: "workerd",
  workers: "Cloudflare Workers",
};

export function AboutPage() {
  const { data, error, refetch } = useQuery(versionQuery);
  return (
    <>
      <PageHeader title="About" about="What runs here." />
      {error && <ErrorPanel error={error} retry={() => void refetch()} />}
      <div className="columns">
        <section className="panel" aria-labelledby="gateway">
          <Title order={2} id="gateway">
            Gateway
          </Title>
          {data && (
            <dl className="facts">
              <Fact name="Version">{data.version}</Fact>
              <Fact name="Host">{hosts[data.host] ?? data.host}</Fact>
              <Fact name="Module">
                <code>{data.module_sha256 || "unknown"}</code>{" "}
                {data.module_sha256 && <CopyButton value={data.module_sha256} label="Copy the module's hash" />}
                <div className="soft">SHA-256 of app.wasm; the same on every host that runs the same gateway.</div>
              </Fact>
              <Fact name="Go">{data.go}</Fact>
              <Fact name="UI">{__UI_VERSION__}</Fact>
            </dl>
          )}
        </section>
        <section className="panel" aria-labelledby="api">
          <Title order={2} id="api">
            For programs
          </Title>
          <dl className="facts">
            <Fact name="API">
              <a href="/openapi.json">/openapi.json</a>
              <div className="soft">OpenAPI 3.1. Everything in this UI can be done with it.</div>
            </Fact>
            <Fact name="MCP">
              <code>{window.location.origin}/mcp</code>
              <div className="soft">All servers that a key may use, in one.</div>
            </Fact>
            <Fact name="Metrics">
              <code>{window.location.origin}/metrics</code>
              <div className="soft">Prometheus text; needs a viewer key.</div>
            </Fact>
            <Fact name="Licence">Apache-2.0</Fact>
          </dl>
        </section>
      </div>
    </>
  );
}
