import { expect, test } from "vitest";

import { isHttpUrl, maskUrl, slugOf } from "./url";

test.each([
  ["https://mcp.example/mcp", "https://mcp.example/mcp"],
  ["https://user:pass@mcp.example/mcp", "https://•••@mcp.example/mcp"],
  ["https://mcp.example/mcp?api_key=abc&x=1", "https://mcp.example/mcp?api_key=•••&x=•••"],
  ["https://mcp.example/s/4f9a8b7c6d5e4f3a2b1c0d/mcp", "https://mcp.example/s/•••/mcp"],
  ["not a url", "not a url"],
])("maskUrl(%s)", (url, masked) => expect(maskUrl(url)).toBe(masked));

test.each([
  ["Weather Service", "weather_service"],
  ["  Ünï/Code! ", "n_code"],
  ["a".repeat(50), "a".repeat(32)],
])("slugOf(%s)", (name, slug) => expect(slugOf(name)).toBe(slug));

test("isHttpUrl", () => {
  expect(isHttpUrl("https://a")).toBe(true);
  expect(isHttpUrl("ftp://a")).toBe(false);
  expect(isHttpUrl("a")).toBe(false);
});
