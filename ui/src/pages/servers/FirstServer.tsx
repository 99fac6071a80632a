import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { useIsAdmin } from "../../app/session";
import { EmptyState } from "../../components/EmptyState";
import { IconFileImport, IconPlus } from "../../components/icons";
import classes from "./FirstServer.module.css";

const steps = [
  [
    "Add a server",
    "Its URL, and how Grantway signs in to it. Discover fills in what the server publishes about itself.",
  ],
  ["Test it", "Test token and Test connection tell, each by itself, what works and what does not."],
  ["Call a tool", "The playground makes a form of the tool's parameters. No sign-in of a person is needed for M2M."],
  ["Hand out a key", "Agents and IDEs get a Grantway key, and never see the server's credentials."],
] as const;

/** The empty list: four steps to a first tool call. */
export function FirstServer() {
  const admin = useIsAdmin();
  return (
    <EmptyState
      title="No MCP servers yet"
      action={
        admin ? (
          <div className="row">
            <Button leftSection={<IconPlus size={16} />} renderRoot={(p) => <Link to="/servers/new" {...p} />}>
              Add your first server
            </Button>
            <Button
              variant="default"
              leftSection={<IconFileImport size={16} />}
              renderRoot={(p) => <Link to="/transfer" {...p} />}
            >
              Import a configuration
            </Button>
          </div>
        ) : (
          <p>Ask an administrator to add one.</p>
        )
      }
    >
      From here to a first tool call it is a matter of minutes.
      <ol className={classes.steps}>
        {steps.map(([title, text]) => (
          <li key={title}>
            <strong>{title}</strong>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </EmptyState>
  );
}
