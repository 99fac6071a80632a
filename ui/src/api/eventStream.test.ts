import { expect, test } from "vitest";

import { readEvents } from "./eventStream";

function stream(...parts: string[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const p of parts) controller.enqueue(encoder.encode(p));
      controller.close();
    },
  });
}

async function all(...parts: string[]) {
  const found = [];
  for await (const e of readEvents(stream(...parts))) found.push([e.event, e.data]);
  return found;
}

test.each([
  ["one event", ["event: message\ndata: a\n\n"], [["message", "a"]]],
  [
    "cut anywhere",
    ["da", "ta: a", "\n", "\nda", "ta: b\n\n"],
    [
      ["message", "a"],
      ["message", "b"],
    ],
  ],
  [
    "CR LF, cut between",
    ["data: a\r", "\n\r", "\ndata: b\r\n\r\n"],
    [
      ["message", "a"],
      ["message", "b"],
    ],
  ],
  ["several data lines", ["data: a\ndata:b\n\n"], [["message", "a\nb"]]],
  ["comments and names", [": ping\n\nevent: x\ndata: 1\n\n"], [["x", "1"]]],
  ["an unfinished event is dropped", ["data: a\n\ndata: b\n"], [["message", "a"]]],
])("%s", async (_, parts, events) => expect(await all(...parts)).toEqual(events));
