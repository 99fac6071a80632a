import { Json } from "../../components/Json";
import { maskUrl } from "../../domain/url";

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
    </div>
  );
}
