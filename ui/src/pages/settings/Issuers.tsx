import { Button, Title } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { issuersQuery, settingsQuery, updateIssuers } from "../../api/settings";
import { useIsAdmin } from "../../app/session";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { ErrorPanel } from "../../components/ErrorPanel";
import { IconPlus } from "../../components/icons";
import { done } from "../../components/notices";
import { Tag } from "../../components/Tag";
import { whom } from "../../domain/claims";
import { IssuerDialog } from "./IssuerDialog";

import type { Schemas } from "../../api/schemas";
import type { Issuers as List } from "../../api/types";

/** Whose access tokens (JWT, RFC 9068) callers may present instead of an access key. */
export function Issuers({ schemas }: { schemas: Schemas }) {
  const admin = useIsAdmin();
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(issuersQuery);
  const [editing, setEditing] = useState<number>();
  const [removing, setRemoving] = useState<number>();
  const list = data?.jwt_issuers ?? [];
  const changed = (next: List) => {
    client.setQueryData(issuersQuery.queryKey, next);
    void client.invalidateQueries({ queryKey: settingsQuery.queryKey });
  };
  const doomed = removing === undefined ? undefined : list[removing];
  return (
    <section className="panel stack" aria-labelledby="issuers">
      <div className="row-apart">
        <Title order={2} id="issuers">
          Callers' access tokens (JWT)
        </Title>
        {admin && data && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => setEditing(list.length)}
          >
            Add an issuer
          </Button>
        )}
      </div>
      <span className="soft">
        Besides access keys, callers may present access tokens of these issuers (RFC 9068). Clients find them by
        themselves, from the protected resource metadata (RFC 9728).
      </span>
      {error && <ErrorPanel title="The issuers could not be read" error={error} retry={() => void refetch()} />}
      {data && list.length === 0 && <span>No issuer is trusted: callers need an access key.</span>}
      {list.length > 0 && (
        <div className="scroll-x" tabIndex={0} role="region" aria-label="Issuers">
          <table className="table cards">
            <thead>
              <tr>
                <th>Issuer</th>
                <th>Audiences</th>
                <th>Grants</th>
                {admin && (
                  <th>
                    <span className="visually-hidden">Actions</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {list.map((s, i) => (
                <tr key={s.issuer}>
                  <td>
                    <code className="break">{s.issuer}</code>{" "}
                    {s.cloudflare_access && <Tag tone="info">Cloudflare Access</Tag>}
                  </td>
                  <td className="break" data-label="Audiences">
                    {s.audiences?.join(", ") ?? <span className="soft">the endpoint called</span>}
                  </td>
                  <td data-label="Grants">
                    <div>
                      {s.grants.map((g, n) => (
                        <div key={n}>
                          {whom(g)} <span className="soft">→ {g.role ?? "caller"}</span>
                        </div>
                      ))}
                    </div>
                  </td>
                  {admin && (
                    <td>
                      <div className="row nowrap">
                        <Button
                          size="compact-sm"
                          variant="default"
                          aria-label={`Edit ${s.issuer}`}
                          onClick={() => setEditing(i)}
                        >
                          Edit
                        </Button>
                        <Button
                          size="compact-sm"
                          variant="default"
                          c="var(--bad)"
                          aria-label={`Remove ${s.issuer}`}
                          onClick={() => setRemoving(i)}
                        >
                          Remove…
                        </Button>
                      </div>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {data && editing !== undefined && (
        <IssuerDialog
          list={data}
          at={editing}
          schemas={schemas}
          onClose={() => setEditing(undefined)}
          onSaved={changed}
        />
      )}
      <ConfirmDialog
        opened={doomed !== undefined}
        onClose={() => setRemoving(undefined)}
        title="Remove this issuer?"
        action="Remove issuer"
        run={async () => {
          changed(
            await updateIssuers(
              list.filter((_, i) => i !== removing),
              data?.version,
            ),
          );
          done("The issuer was removed.");
        }}
      >
        Tokens of <code className="break">{doomed?.issuer}</code> are refused within seconds, and its{" "}
        {doomed?.grants.length === 1 ? "grant is" : `${doomed?.grants.length ?? 0} grants are`} lost.
      </ConfirmDialog>
    </section>
  );
}
