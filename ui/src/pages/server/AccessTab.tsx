import { Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { keysQuery } from "../../api/keys";
import { EmptyState } from "../../components/EmptyState";
import { ErrorPanel } from "../../components/ErrorPanel";
import { Tag } from "../../components/Tag";
import { TimeAgo } from "../../components/TimeAgo";
import { grantOf, statusTone } from "../../domain/keys";

import type { Server } from "../../api/types";

/** Which keys may use this server, and why. */
export function AccessTab({ server }: { server: Server }) {
  const { data, error, refetch } = useQuery(keysQuery);
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  if (!data) return null;
  const rows = data.map((key) => ({ key, grant: grantOf(key, server) })).filter((r) => r.grant !== undefined);
  return (
    <div className="stack">
      <span className="soft">
        {server.allow_all_keys
          ? "Every valid key may use this server."
          : "Keys that were granted this server, one of its groups, or every server."}{" "}
        <Link to="/keys" search={{ create: server.server_id }}>
          Create a key for it
        </Link>
      </span>
      {rows.length === 0 ? (
        <EmptyState title="No key may use it yet">
          Only administrators can call its tools, in the playground.
        </EmptyState>
      ) : (
        <section className="panel scroll-x">
          <Title order={2} className="visually-hidden">
            Keys
          </Title>
          <table className="table cards">
            <thead>
              <tr>
                <th>Key</th>
                <th>Owner</th>
                <th>Why</th>
                <th>Tools</th>
                <th>Status</th>
                <th>Last used</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ key, grant }) => (
                <tr key={key.id}>
                  <td>
                    <strong>{key.name}</strong> <code className="soft">{key.prefix}…</code>
                  </td>
                  <td data-label="Owner">{key.owner ?? "—"}</td>
                  <td data-label="Why">{grant}</td>
                  <td data-label="Tools">
                    {key.tools?.[server.server_id]?.join(", ").replace(/^$/, "none") ?? "all that the server allows"}
                  </td>
                  <td data-label="Status">
                    <Tag tone={statusTone[key.status]}>{key.status}</Tag>
                  </td>
                  <td data-label="Last used">
                    <TimeAgo time={key.last_used_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </div>
  );
}
