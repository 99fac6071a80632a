import { SegmentedControl } from "@mantine/core";
import { useState } from "react";

import { CopyButton } from "../../../components/CopyButton";
import { Json } from "../../../components/Json";
import { Tag } from "../../../components/Tag";
import { millis } from "../../../domain/time";
import { ContentBlock } from "./ContentBlock";
import classes from "./Playground.module.css";

import type { Content, ToolResult } from "../../../api/tools";
import type { Server } from "../../../api/types";

interface Props {
  server: Pick<Server, "slug">;
  result: ToolResult;
  /** Milliseconds. */
  took: number;
}

/** What a tool answered: made readable, or as it came. */
export function ToolResultView({ server, result, took }: Props) {
  const [view, setView] = useState("formatted");
  const blocks = (result.content ?? []).filter((c) => !repeats(c, result.structuredContent));
  return (
    <>
      <div className="row-apart">
        <div className={classes.status}>
          <Tag tone={result.isError ? "bad" : "good"}>{result.isError ? "The tool reports an error" : "Success"}</Tag>
          <span className="soft">{millis(took)}</span>
        </div>
        <div className="row">
          <SegmentedControl
            size="xs"
            aria-label="How to show the result"
            value={view}
            onChange={setView}
            data={[
              { value: "formatted", label: "Formatted" },
              { value: "json", label: "JSON" },
            ]}
          />
          <CopyButton value={JSON.stringify(result, null, 2)} label="Copy the result" />
        </div>
      </div>
      {view === "json" ? (
        <Json value={result} label="the result as JSON" />
      ) : (
        <>
          {blocks.map((c, i) => (
            <ContentBlock key={i} server={server} content={c} />
          ))}
          {blocks.length === 0 && result.structuredContent === undefined && (
            <span className="soft">The result is empty.</span>
          )}
          {result.structuredContent !== undefined && (
            <div className="stack-s">
              <span className="soft">Structured result</span>
              <Json value={result.structuredContent} label="the structured result" />
            </div>
          )}
        </>
      )}
    </>
  );
}

/** Servers send a structured result also as text, for clients that know no structured ones. It is shown once. */
function repeats(c: Content, structured: unknown): boolean {
  if (c.type !== "text" || structured === undefined) return false;
  try {
    return JSON.stringify(JSON.parse(c.text ?? "")) === JSON.stringify(structured);
  } catch {
    return false;
  }
}
