import { useRouter } from "@tanstack/react-router";

import { ErrorPanel } from "../components/ErrorPanel";

import type { ErrorComponentProps } from "@tanstack/react-router";

/** A page that could not be shown, most often because a part of the UI did not load. */
export function RouteError({ error }: ErrorComponentProps) {
  const router = useRouter();
  return <ErrorPanel title="This page could not be shown" error={error} retry={() => void router.invalidate()} />;
}
