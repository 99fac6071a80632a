import { Button, Loader, Tabs } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";

import { serverQuery, updateServer } from "../../api/servers";
import { useIsAdmin } from "../../app/session";
import { FlowBadge } from "../../components/badges";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconPencil } from "../../components/icons";
import { Logo } from "../../components/Logo";
import { done, failed } from "../../components/notices";
import { PageHeader } from "../../components/PageHeader";
import { Tag } from "../../components/Tag";
import { DeleteServer } from "../servers/DeleteServer";
import { Overview } from "./Overview";
import classes from "./ServerPage.module.css";

import type { ServerTab } from "../../app/router";

const ToolsTab = lazy(() => import("./ToolsTab").then((m) => ({ default: m.ToolsTab })));
const TokenTab = lazy(() => import("./TokenTab").then((m) => ({ default: m.TokenTab })));
const AccessTab = lazy(() => import("./AccessTab").then((m) => ({ default: m.AccessTab })));
const AuditTab = lazy(() => import("./AuditTab").then((m) => ({ default: m.AuditTab })));
const RecordTab = lazy(() => import("./RecordTab").then((m) => ({ default: m.RecordTab })));

export function ServerPage() {
  const { server: id } = useParams({ from: "/servers/$server" });
  const { tab = "overview" } = useSearch({ from: "/servers/$server" });
  const navigate = useNavigate({ from: "/servers/$server" });
  const client = useQueryClient();
  const admin = useIsAdmin();
  const [deleting, setDeleting] = useState(false);
  const { data: server, error, refetch } = useQuery(serverQuery(id));
  if (error) return <ErrorPanel title="The server could not be read" error={error} retry={() => void refetch()} />;
  if (!server) return <Loader aria-label="Loading the server" />;
  const toggle = async () => {
    try {
      const next = await updateServer(server.server_id, { disabled: !server.disabled }, server.version);
      client.setQueryData(serverQuery(id).queryKey, next);
      void client.invalidateQueries({ queryKey: ["servers"] });
      done(`${server.server_name} is now ${next.disabled ? "disabled: calls to it are refused" : "enabled"}.`);
    } catch (problem) {
      failed("Nothing was changed", problem);
    }
  };
  const change = admin && !server.read_only;
  return (
    <>
      <PageHeader
        title={server.server_name}
        above={
          <Link to="/" className={classes.back}>
            ← MCP servers
          </Link>
        }
        about={
          <span className="row">
            <Logo name={server.server_name} url={server.mcp_info?.logo_url} />
            <code>/mcp/{server.slug}</code>
            <FlowBadge server={server} />
            {server.disabled && <Tag tone="warn">Disabled</Tag>}
            {server.read_only && <Tag>From a configuration file</Tag>}
          </span>
        }
        actions={
          change && (
            <>
              <Button variant="default" onClick={() => void toggle()}>
                {server.disabled ? "Enable" : "Disable"}
              </Button>
              <Button variant="default" c="var(--bad)" onClick={() => setDeleting(true)}>
                Delete…
              </Button>
              <Button
                leftSection={<IconPencil size={16} />}
                renderRoot={(p) => <Link to="/servers/$server/edit" params={{ server: server.server_id }} {...p} />}
              >
                Edit
              </Button>
            </>
          )
        }
      />
      <DeleteServer
        server={server}
        opened={deleting}
        onClose={() => setDeleting(false)}
        onDeleted={() => void navigate({ to: "/" })}
      />
      <Tabs
        value={tab}
        onChange={(value) => void navigate({ search: value === "overview" ? {} : { tab: value as ServerTab } })}
        keepMounted={false}
        classNames={{ list: classes.tabs, tab: classes.tab }}
      >
        <Tabs.List aria-label={`About ${server.server_name}`}>
          <Tabs.Tab value="overview">Overview</Tabs.Tab>
          <Tabs.Tab value="tools">Tools</Tabs.Tab>
          <Tabs.Tab value="token">Token</Tabs.Tab>
          <Tabs.Tab value="access">Access</Tabs.Tab>
          <Tabs.Tab value="audit">Audit</Tabs.Tab>
          <Tabs.Tab value="settings">Settings</Tabs.Tab>
        </Tabs.List>
        <div className={classes.content}>
          <Suspense fallback={<Loader aria-label="Loading" />}>
            <Tabs.Panel value="overview">
              <Overview server={server} />
            </Tabs.Panel>
            <Tabs.Panel value="tools">
              <ToolsTab server={server} />
            </Tabs.Panel>
            <Tabs.Panel value="token">
              <TokenTab server={server} />
            </Tabs.Panel>
            <Tabs.Panel value="access">
              <AccessTab server={server} />
            </Tabs.Panel>
            <Tabs.Panel value="audit">
              <AuditTab server={server} />
            </Tabs.Panel>
            <Tabs.Panel value="settings">
              <RecordTab server={server} />
            </Tabs.Panel>
          </Suspense>
        </div>
      </Tabs>
    </>
  );
}
