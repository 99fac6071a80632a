import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";

import { readResource } from "../../../api/tools";
import { ErrorPanel } from "../../../components/ErrorPanel";
import { Json } from "../../../components/Json";
import { byteLength, bytes } from "../../../domain/bytes";
import classes from "./Playground.module.css";

import type { Content, ResourceContents } from "../../../api/tools";
import type { Server } from "../../../api/types";

interface Props {
  server: Pick<Server, "slug">;
  content: Content;
}

/** One part of what a tool answered. */
export function ContentBlock({ server, content: c }: Props) {
  switch (c.type) {
    case "text":
      return <Text text={c.text ?? ""} />;
    case "image":
    case "audio":
      return <Binary mimeType={c.mimeType} base64={c.data ?? ""} name={c.type} />;
    case "resource":
      return <Resource contents={c.resource ?? {}} />;
    case "resource_link":
      return <ResourceLink server={server} link={c} />;
    default:
      return <Json value={c} label={`content of type ${c.type}`} />;
  }
}

const Text = ({ text }: { text: string }) => <pre className={classes.content}>{pretty(text)}</pre>;

/** Only these kinds are shown: what else a server calls an image or a sound can only be saved. */
const images = /^image\/(png|jpeg|gif|webp|avif)$/;
const sounds = /^audio\/[\w.+-]+$/;

function Binary({ mimeType = "", base64, name }: { mimeType?: string; base64: string; name: string }) {
  const source = `data:${mimeType};base64,${base64}`;
  return (
    <div className="stack-s">
      {images.test(mimeType) && <img className={classes.image} src={source} alt="Returned by the tool" />}
      {sounds.test(mimeType) && (
        <audio className={classes.audio} controls src={source} aria-label="Returned by the tool" />
      )}
      <span className="row soft">
        <code>{mimeType || "of no said type"}</code> {bytes(byteLength(base64))}
        <a href={`data:application/octet-stream;base64,${base64}`} download={name}>
          Save
        </a>
      </span>
    </div>
  );
}

function Resource({ contents: { uri = "", mimeType, text, blob } }: { contents: ResourceContents }) {
  return (
    <div className="stack-s" role="group" aria-label={`Resource ${uri}`}>
      <span className="soft break">
        Resource <code>{uri}</code> {text !== undefined && mimeType}
      </span>
      {text === undefined ? (
        <Binary mimeType={mimeType} base64={blob ?? ""} name={uri.split("/").at(-1) || "resource"} />
      ) : (
        <Text text={text} />
      )}
    </div>
  );
}

/** A resource that was not sent along: it is read when asked for. */
function ResourceLink({ server, link }: { server: Pick<Server, "slug">; link: Content }) {
  const uri = link.uri ?? "";
  const read = useMutation({ mutationFn: () => readResource(server.slug, uri) });
  return (
    <div className="stack-s">
      <div className="row">
        <Button size="compact-sm" variant="default" loading={read.isPending} onClick={() => read.mutate()}>
          Read
        </Button>
        <span className="break">
          {link.title ?? link.name ?? "Resource"}: <code>{uri}</code>
          {link.description && <span className="soft"> {link.description}</span>}
        </span>
      </div>
      {read.error && <ErrorPanel title="The resource could not be read" error={read.error} />}
      {read.data?.map((contents, i) => (
        <Resource key={i} contents={contents} />
      ))}
    </div>
  );
}

/** JSON text with line breaks; other text as it is. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
