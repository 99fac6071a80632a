import type { TokenTest } from "../../api/types";

/** What to do about a token that was not given: a wrong secret, a wrong URL and a server that is down differ. */
export function tokenAdvice(result: TokenTest): string {
  if (result.stage === "discovery") {
    return "Enter the token URL by hand, or check the server's URL: its metadata did not lead to an authorization server.";
  }
  if (result.stage === "configuration") return "Complete the fields of this page, then test again.";
  switch (result.oauth_error) {
    case "invalid_client":
    case "unauthorized_client":
      return "The authorization server knows the address but not this client: check client ID, secret and client authentication method.";
    case "invalid_scope":
      return "Remove the scopes that this client may not have, or have them granted.";
    case "unsupported_grant_type":
      return "This authorization server does not offer the client_credentials grant to this client.";
    case "invalid_target":
      return "Check audience and resource.";
  }
  const status = result.idp_status ?? 0;
  if (status === 401 || status === 403) return "Check client ID, secret and client authentication method.";
  if (status === 404 || status === 405 || (status >= 200 && status < 400)) {
    return "Something answers at this token URL, but it is not a token endpoint: check the path.";
  }
  if (status === 429)
    return `The authorization server asks to wait${result.retry_after ? ` ${result.retry_after} s` : ""}. Your settings may be right.`;
  if (status >= 500)
    return "The authorization server has a fault of its own. Try again later; your settings may be right.";
  if (status === 0)
    return "Nothing answered at this token URL: check host name and port, and that the authorization server is running and reachable from the gateway.";
  return "Read the authorization server's own log for this client.";
}
