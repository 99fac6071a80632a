import { Link } from "@tanstack/react-router";

import { PageHeader } from "../components/PageHeader";

export function NotFound() {
  return (
    <>
      <PageHeader title="Nothing here" about="There is no page at this address." />
      <Link to="/">Go to the servers</Link>
    </>
  );
}
