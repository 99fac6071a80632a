import { queryOptions } from "@tanstack/react-query";

import { query, request } from "./client";

import type { Usage } from "./types";

export interface UsageFilter {
  since: string;
  until: string;
  interval: "hour" | "day";
  group_by: "server" | "tool" | "key";
}

export const usageQuery = (filter: UsageFilter) =>
  queryOptions({
    queryKey: ["usage", filter],
    queryFn: ({ signal }) => request<Usage>(`/v1/usage${query({ ...filter })}`, { signal }),
    placeholderData: (before) => before,
  });
