/** Fields of a server that can be set by the API and have no control of their own, each with the reason. */
export const withoutControl: Record<string, string> = {
  transport: "There is one: Streamable HTTP.",
  extra_headers: "LiteLLM's name for forward_headers; it is stored as that.",
  "mcp_info.server_name": "LiteLLM's second name. Kept as imported, for its clients; Server name stands in for it.",
  "mcp_info.description":
    "LiteLLM's second description. Kept as imported, for its clients; Description stands in for it.",
  credentials: "Secrets are entered in the form. The other fields in it are those of the same name outside it.",
};
