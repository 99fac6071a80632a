import { SegmentedControl } from "@mantine/core";
import { useState } from "react";

import { CopyButton } from "../../../components/CopyButton";
import { Json } from "../../../components/Json";
import { Tag } from "../../../components/Tag";
import { millis } from "../../../domain/time";
import classes from "./Playground.module.css";

import type { Content, Progress, ToolResult } from "../../../api/tools";

/** What a tool answered: made readable, or as it came. */
export function ToolResultView({ result, took, progress }: { result: ToolResult; took: number; progress: Progress[] }) {
  const [view, setView] = useState("formatted");
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
          {(result.content ?? []).map((c, i) => (
            <Block key={i} content={c} />
          ))}
          {(result.content ?? []).length === 0 && result.structuredContent === undefined && (
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
      {progress.length > 0 && (
        <details>
          <summary>
            {progress.length} progress {progress.length === 1 ? "message" : "messages"}
          </summary>
          <ol className={classes.log}>
            {progress.map((p, i) => (
              <li key={i}>
                {p.progress}
                {p.total !== undefined ? ` of ${p.total}` : ""} {p.message}
              </li>
            ))}
          </ol>
        </details>
      )}
    </>
  );
}

/** Only these kinds are shown: what else a server calls an image is offered as text. */
const imageTypes = /^image\/(png|jpeg|gif|webp|avif)$/;
const audioTypes = /^audio\/[\w.+-]+$/;

function Block({ content: c }: { content: Content }) {
  switch (c.type) {
    case "text":
      return <pre className={classes.content}>{pretty(c.text ?? "")}</pre>;
    case "image":
      if (c.data && imageTypes.test(c.mimeType ?? "")) {
        return <img className={classes.image} src={`data:${c.mimeType};base64,${c.data}`} alt="Returned by the tool" />;
      }
      break;
    case "audio":
      if (c.data && audioTypes.test(c.mimeType ?? "")) {
        return <audio controls src={`data:${c.mimeType};base64,${c.data}`} aria-label="Returned by the tool" />;
      }
      break;
    case "resource":
      return (
        <div className="stack-s">
          <span className="soft">
            Resource <code>{c.resource?.uri}</code> {c.resource?.mimeType}
          </span>
          {c.resource?.text !== undefined ? (
            <pre className={classes.content}>{pretty(c.resource.text)}</pre>
          ) : (
            <span>{size(c.resource?.blob)} of binary data</span>
          )}
        </div>
      );
    case "resource_link":
      return (
        <span>
          {c.name ?? "Resource"}: <code>{c.uri}</code> {c.description}
        </span>
      );
  }
  return <Json value={c} label={`content of type ${c.type}`} />;
}

const size = (base64: string | undefined) => `${Math.floor(((base64?.length ?? 0) * 3) / 4)} bytes`;

/** JSON text with line breaks; other text as it is. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
