import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { AuditList, AuditVerdict } from "./types";

export interface AuditFilter {
  action?: string;
  actor?: string;
  target?: string;
  outcome?: string;
  since?: string;
  until?: string;
  q?: string;
  limit?: number;
}

const url = (filter: AuditFilter, cursor?: string | null) => `/v1/audit${query({ ...filter, cursor })}`;

export const auditQuery = (filter: AuditFilter) =>
  queryOptions({
    queryKey: ["audit", filter],
    queryFn: ({ signal }) => request<AuditList>(url(filter), { signal }),
  });

export const auditPages = (filter: AuditFilter) =>
  infiniteQueryOptions({
    queryKey: ["audit", "pages", filter],
    queryFn: ({ signal, pageParam }) => request<AuditList>(url(filter, pageParam), { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
  });

export const verifyAudit = () => request<AuditVerdict>("/v1/audit/verify");

export const auditExportUrl = (filter: AuditFilter) => `/v1/audit/export${query({ ...filter, limit: undefined })}`;
