import { Title } from "@mantine/core";

import { Json } from "../../components/Json";
import { maskUrl } from "../../domain/url";
import { withoutControl } from "../../domain/withoutControl";
import { Fact } from "./Overview";

import type { Server } from "../../api/types";

/** The record as the API answers it. It holds no secret; what may be one in a URL is masked here, too. */
export function RecordTab({ server }: { server: Server }) {
  const shown = {
    ...server,
    url: maskUrl(server.url),
    ...(server.token_url ? { token_url: maskUrl(server.token_url) } : {}),
  };
  return (
    <div className="stack">
      <span className="soft">
        The raw record, as <code>GET /v1/mcp/server/{server.slug}</code> answers it. Secrets are never part of it.
      </span>
      <Json value={shown} label="the record" tall />
      <section className="panel" aria-labelledby="without-control">
        <Title order={2} id="without-control">
          Only by the API
        </Title>
        <dl className="facts">
          {Object.entries(withoutControl).map(([field, reason]) => (
            <Fact key={field} name={<code>{field}</code>}>
              {reason}
            </Fact>
          ))}
        </dl>
      </section>
    </div>
  );
}
