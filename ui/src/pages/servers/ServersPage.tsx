import { useQuery } from "@tanstack/react-query";

import { serversQuery } from "../../api/servers";
import { versionQuery } from "../../api/session";
import { ErrorPanel } from "../../components/ErrorPanel";
import { PageHeader } from "../../components/PageHeader";

export function ServersPage() {
  const { data, error, refetch } = useQuery(serversQuery);
  const { data: version } = useQuery(versionQuery);
  return (
    <>
      <PageHeader title="MCP servers" about={version && `Grantway ${version.version} on ${version.host}`} />
      {error && <ErrorPanel error={error} retry={() => void refetch()} />}
      {data && (
        <table className="table panel">
          <thead>
            <tr>
              <th>Name</th>
              <th>Slug</th>
              <th>URL</th>
            </tr>
          </thead>
          <tbody>
            {data.map((s) => (
              <tr key={s.server_id}>
                <td>{s.server_name}</td>
                <td>
                  <code>{s.slug}</code>
                </td>
                <td className="break">{s.url}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
