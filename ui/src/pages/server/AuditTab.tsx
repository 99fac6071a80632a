import { AuditRows } from "../audit/AuditRows";

import type { Server } from "../../api/types";

export function AuditTab({ server }: { server: Server }) {
  return <AuditRows filter={{ target: server.server_id }} />;
}
