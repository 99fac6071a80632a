import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, requestLines, responseLines } from "../headers.mjs";

test("headers of the connection and forged internal ones do not reach the guest", () => {
  const headers = new Headers({ Connection: "close", TE: "trailers", "Grantway-Internal-Actor": "x", "X-One": "1, 2" });
  assert.equal(requestLines(headers, true), "\nx-one:1, 2");
  assert.equal(requestLines(headers, false), "\ngrantway-internal-actor:x\nx-one:1, 2");
});

test("each cookie is a line of its own", () => {
  const headers = new Headers();
  headers.append("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT");
  headers.append("Set-Cookie", "b=2");
  assert.equal(responseLines(headers), "\nset-cookie:a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\nset-cookie:b=2");
});

test("an encoding that the runtime undoes is not told", () => {
  assert.equal(responseLines(new Headers({ "Content-Encoding": "gzip", "Content-Length": "9", "X-A": "b" })), "\nx-a:b");
  assert.equal(
    responseLines(new Headers({ "Content-Encoding": "other", "Content-Length": "9" })),
    "\ncontent-encoding:other\ncontent-length:9",
  );
});

test("lines become headers", () => {
  const headers = parse("A:1\nset-cookie:a=1\nset-cookie:b=2\nurl:http://x:1/\nno colon\n:no name");
  assert.deepEqual(
    [...headers],
    [
      ["a", "1"],
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["url", "http://x:1/"],
    ],
  );
  assert.deepEqual([...parse("")], []);
  assert.throws(() => parse("bad name:x"), TypeError);
});
