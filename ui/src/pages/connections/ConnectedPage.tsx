import { Link } from "@tanstack/react-router";
import { useEffect } from "react";

import { PageHeader } from "../../components/PageHeader";
import { CHANNEL } from "./useAuthorization";

/** The end of a sign-in in a window of its own: tells the others, and closes. */
export function ConnectedPage() {
  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.postMessage("connected");
    channel.close();
    // Where the browser does not let a page close its window, the text below says that it can be closed.
    const timer = window.setTimeout(() => window.close(), 600);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <>
      <PageHeader title="Connected" about="The authorization arrived. You can close this window." />
      <Link to="/connections">All connections</Link>
    </>
  );
}
