import { Button, SegmentedControl, Textarea, Title } from "@mantine/core";
import { useRef, useState } from "react";

import { callTool } from "../../../api/tools";
import { CopyButton } from "../../../components/CopyButton";
import { ErrorPanel } from "../../../components/ErrorPanel";
import { IconPlayerPlay, IconPlayerStop } from "../../../components/icons";
import { ArgumentsForm } from "./ArgumentsForm";
import { NotificationLog } from "./NotificationLog";
import classes from "./Playground.module.css";
import { ToolResultView } from "./ToolResultView";
import { curlOf } from "./curl";

import type { Notification, ToolResult } from "../../../api/tools";
import type { Server, Tool } from "../../../api/types";

type Outcome = { result: ToolResult; took: number } | { error: unknown; took: number };

interface Props {
  server: Server;
  tool: Tool;
  /** What people read in place of the tool's name. */
  title?: string;
}

/** Calls one tool through the gateway, as a caller would. */
export function Playground({ server, tool, title }: Props) {
  const [value, setValue] = useState<unknown>({});
  const [view, setView] = useState<"form" | "json">("form");
  const [text, setText] = useState("{}");
  const [textProblem, setTextProblem] = useState<string>();
  const [notifications, setNotifications] = useState<Notification[]>([]);
  const [outcome, setOutcome] = useState<Outcome>();
  const running = useRef<AbortController>(undefined);
  const [busy, setBusy] = useState(false);
  const properties = Object.keys((tool.inputSchema?.properties as Record<string, unknown> | undefined) ?? {});

  const call = async (args: unknown) => {
    const control = new AbortController();
    running.current = control;
    setBusy(true);
    setOutcome(undefined);
    setNotifications([]);
    const begin = performance.now();
    try {
      const result = await callTool(
        server.slug,
        tool,
        args ?? {},
        (n) => setNotifications((before) => [...before, n]),
        control.signal,
      );
      setOutcome({ result, took: performance.now() - begin });
    } catch (error) {
      if (!control.signal.aborted) setOutcome({ error, took: performance.now() - begin });
    } finally {
      setBusy(false);
    }
  };
  const parsed = (): unknown => {
    try {
      const found: unknown = JSON.parse(text);
      if (typeof found !== "object" || found === null || Array.isArray(found))
        throw new Error("The arguments are a JSON object: { … }");
      setTextProblem(undefined);
      return found;
    } catch (error) {
      setTextProblem(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const show = (next: string) => {
    if (next === "json") setText(JSON.stringify(value, null, 2));
    else {
      const found = parsed();
      if (found === undefined) return;
      setValue(found);
    }
    setView(next as "form" | "json");
  };
  const last = notifications.findLast((n) => "progress" in n)?.progress;
  return (
    <section className="panel stack" aria-labelledby="tool-name">
      <div className="row-apart">
        <div>
          <Title order={2} id="tool-name">
            {title ?? tool.name} {title && <code className="soft">{tool.name}</code>}
          </Title>
          {tool.description && <div className="soft">{tool.description}</div>}
        </div>
        <SegmentedControl
          size="xs"
          aria-label="How to enter the arguments"
          value={view}
          onChange={show}
          data={[
            { value: "form", label: "Form" },
            { value: "json", label: "JSON" },
          ]}
        />
      </div>
      {tool.annotations?.destructiveHint && (
        <span role="note">The server says that this tool may destroy something.</span>
      )}
      {view === "form" ? (
        <>
          {properties.length === 0 && <span className="soft">This tool takes no arguments.</span>}
          <ArgumentsForm
            formId="arguments"
            schema={tool.inputSchema ?? {}}
            value={value}
            onChange={setValue}
            onSubmit={(v) => void call(v)}
          />
        </>
      ) : (
        <form
          id="arguments"
          onSubmit={(event) => {
            event.preventDefault();
            const found = parsed();
            if (found !== undefined) void call(found);
          }}
        >
          <Textarea
            label="Arguments"
            rows={10}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            error={textProblem}
            spellCheck={false}
            classNames={{ input: "mono" }}
          />
        </form>
      )}
      <div className="row">
        {/* Two buttons, not one that turns into the other: the click that cancels would submit the form. */}
        {busy ? (
          <Button
            key="cancel"
            color="red"
            leftSection={<IconPlayerStop size={16} />}
            onClick={() => running.current?.abort()}
          >
            Cancel
          </Button>
        ) : (
          <Button
            key="call"
            type="submit"
            form="arguments"
            leftSection={<IconPlayerPlay size={16} />}
            disabled={server.disabled}
          >
            {outcome ? "Call again" : "Call tool"}
          </Button>
        )}
        <CopyButton
          label="Copy as curl"
          text="Copy as curl"
          value={curlOf(server, tool.name, view === "form" ? value : safe(text))}
        />
        {server.disabled && <span className="soft">The server is disabled.</span>}
      </div>
      <div className={busy || outcome ? `${classes.result} stack-s` : undefined} aria-live="polite">
        {busy && (
          <>
            <div className={classes.status}>
              Calling… {last?.message}
              {last?.total ? ` (${last.progress} of ${last.total})` : ""}
            </div>
            <progress
              className={classes.progress}
              aria-label="Progress"
              {...(last?.total ? { max: last.total, value: last.progress } : {})}
            />
            <NotificationLog notifications={notifications} open />
          </>
        )}
        {outcome && "error" in outcome && <ErrorPanel title="The call failed" error={outcome.error} />}
        {outcome && "result" in outcome && (
          <ToolResultView server={server} result={outcome.result} took={outcome.took} />
        )}
        {outcome && <NotificationLog notifications={notifications} />}
      </div>
    </section>
  );
}

function safe(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
