/** What stands for a part of a URL that may be a secret. */
const DOTS = "•••";

/** Does this path segment look like a credential: long, letters and digits mixed? */
function credentialLike(segment: string): boolean {
  return segment.length >= 20 && /[0-9]/.test(segment) && /[A-Za-z]/.test(segment) && !/[ .]/.test(segment);
}

/** A URL with what may be secret in it hidden: user information, values of the query, path segments that look like keys. */
export function maskUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return text;
  }
  const user = url.username || url.password ? `${DOTS}@` : "";
  const path = url.pathname
    .split("/")
    .map((s) => (credentialLike(s) ? DOTS : s))
    .join("/");
  const names = [...url.searchParams.keys()];
  const search = names.length > 0 ? `?${names.map((n) => `${n}=${DOTS}`).join("&")}` : "";
  return `${url.protocol}//${user}${url.host}${path}${search}`;
}

/** Is this an absolute http or https URL? */
export function isHttpUrl(text: string): boolean {
  try {
    const { protocol } = new URL(text);
    return protocol === "http:" || protocol === "https:";
  } catch {
    return false;
  }
}

/** The path segment that the gateway makes of a name when none is given. */
export function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "_")
    .replace(/^_+/, "")
    .slice(0, 32)
    .replace(/^[_.-]+|[_.-]+$/g, "");
}
