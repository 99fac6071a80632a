import { expect, test } from "vitest";

import { mirrored, parameterHeaders } from "./mirror";

test.each([
  ["echo", "echo"],
  ["two words", "two words"],
  ["", ""],
  ["größe", "=?base64?Z3LDtsOfZQ==?="],
  [" a", "=?base64?IGE=?="],
  ["a\nb", "=?base64?YQpi?="],
  ["=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="],
])("%j is sent as %s", (text, value) => expect(mirrored(text)).toBe(value));

const schema = {
  type: "object",
  properties: {
    region: { type: "string", "x-mcp-header": "Region" },
    limit: { type: "integer", "x-mcp-header": "Limit" },
    query: { type: "string" },
    options: { type: "object", properties: { dry: { type: "boolean", "x-mcp-header": "Dry" } } },
  },
};

test("arguments that the schema marks become headers, nested ones as well", () => {
  expect(parameterHeaders(schema, { region: "eu", limit: 3, query: "x", options: { dry: false } })).toEqual({
    "Mcp-Param-Region": "eu",
    "Mcp-Param-Limit": "3",
    "Mcp-Param-Dry": "false",
  });
});

test("absent arguments and those of another type have no header", () => {
  expect(parameterHeaders(schema, { limit: 1.5, options: null })).toEqual({});
  expect(parameterHeaders(undefined, { region: "eu" })).toEqual({});
});
