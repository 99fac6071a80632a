import { Loader, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { connectionsQuery } from "../../api/connections";
import { useIsAdmin } from "../../app/session";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { PageHeader } from "../../components/PageHeader";
import { ConnectionPanel } from "./ConnectionPanel";

/** Every interactive server, with the accounts that are connected to it. */
export function ConnectionsPage() {
  const admin = useIsAdmin();
  const { data, error, refetch } = useQuery(connectionsQuery);
  return (
    <>
      <PageHeader
        title="Connections"
        about="Servers that act in a person's name need that person's authorization, once. Machine-to-machine servers do not appear here."
      />
      {error && <ErrorPanel title="The connections could not be read" error={error} retry={() => void refetch()} />}
      {!data && !error && <Loader aria-label="Loading the connections" />}
      {data?.data.length === 0 && (
        <EmptyState title="No server needs your authorization">
          A server appears here when its OAuth flow is Interactive (PKCE).
        </EmptyState>
      )}
      <div className="stack">
        {data?.data.map((row) => (
          <section key={row.server_id} className="stack-s" aria-label={row.server_name}>
            <div className="row">
              <Title order={2}>
                <Link to="/servers/$server" params={{ server: row.server_id }} search={{ tab: "token" }}>
                  {row.server_name}
                </Link>
              </Title>
              <code className="soft">{row.slug}</code>
            </div>
            <div className="columns">
              <ConnectionPanel server={row} shared={false} returnTo="/ui/connections" level={3} />
              {admin && <ConnectionPanel server={row} shared returnTo="/ui/connections" level={3} />}
            </div>
          </section>
        ))}
      </div>
    </>
  );
}
