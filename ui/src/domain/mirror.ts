// Headers that repeat parts of an MCP request's body (SEP-2243): Mcp-Name, and Mcp-Param-… for the arguments that a tool's
// schema marks by x-mcp-header. The gateway refuses a request whose headers and body differ.

interface Property {
  type?: string;
  properties?: Record<string, Property>;
  "x-mcp-header"?: string;
}

/** A header's value for a text; in Base64 where the text itself could not be one. */
export function mirrored(text: string): string {
  if (/^[!-~]([\t -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text)) return text;
  return text === "" ? "" : `=?base64?${btoa(String.fromCodePoint(...new TextEncoder().encode(text)))}?=`;
}

/** The Mcp-Param- headers of a call. An argument that is absent or of another type has none. */
export function parameterHeaders(schema: unknown, args: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  const visit = (node: Property | undefined, value: unknown) => {
    const name = node?.["x-mcp-header"];
    if (name !== undefined && fits(node?.type, value)) headers[`Mcp-Param-${name}`] = mirrored(String(value));
    if (typeof value !== "object" || value === null) return;
    for (const [key, property] of Object.entries(node?.properties ?? {}))
      visit(property, (value as Record<string, unknown>)[key]);
  };
  visit(schema as Property | undefined, args);
  return headers;
}

function fits(type: string | undefined, value: unknown): boolean {
  if (type === "integer") return Number.isSafeInteger(value);
  return (type === "string" || type === "boolean") && typeof value === type;
}
