// One way to the gateway: JSON over fetch, with the session cookie that the browser keeps and that no script can read.

/** A problem of one field of a request, by its path in the body. */
export interface FieldProblem {
  path: string;
  code: string;
  message: string;
}

/** An answer of the gateway that is not a success, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId?: string,
    readonly fields: FieldProblem[] = [],
    /** The whole decoded body, for endpoints whose failures carry a result. */
    readonly body?: unknown,
    /** Seconds, from Retry-After. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON, unless it is a string and contentType is given. */
  body?: unknown;
  contentType?: string;
  /** Version that a change is based on; sent as If-Match. */
  version?: number;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

type Listener = () => void;
const sessionListeners = new Set<Listener>();

/** Tells when the gateway no longer accepts the session. Answers how to stop listening. */
export function onSessionLost(listener: Listener): () => void {
  sessionListeners.add(listener);
  return () => sessionListeners.delete(listener);
}

/** Sends a request and answers the response if its status is a success; otherwise throws an ApiError. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const method = options.method ?? "GET";
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  // A page of another site cannot set this header, so a request that has it was made by this UI.
  if (method !== "GET") headers["X-Grantway-CSRF"] = "1";
  let body: string | undefined;
  if (options.body !== undefined) {
    headers["Content-Type"] = options.contentType ?? "application/json";
    body = typeof options.body === "string" && options.contentType ? options.body : JSON.stringify(options.body);
  }
  if (options.version !== undefined) headers["If-Match"] = `"${options.version}"`;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, signal: options.signal, credentials: "same-origin" });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiError(0, "network", "The gateway did not answer. Check your connection and whether it is running.");
  }
  if (response.ok) return response;
  throw await problemOf(response, path);
}

async function problemOf(response: Response, path: string): Promise<ApiError> {
  let body: unknown;
  try {
    body = await response.json();
  } catch {
    body = undefined;
  }
  const error = (
    body as { error?: { code?: string; message?: string; request_id?: string; fields?: FieldProblem[] } } | undefined
  )?.error;
  const retry = Number(response.headers.get("Retry-After"));
  if (response.status === 401 && path !== "/v1/session") for (const listener of sessionListeners) listener();
  return new ApiError(
    response.status,
    error?.code ?? `http_${response.status}`,
    error?.message ?? `The gateway answered with status ${response.status}.`,
    error?.request_id ?? response.headers.get("X-Request-Id") ?? undefined,
    error?.fields ?? [],
    body,
    retry > 0 ? retry : undefined,
  );
}

/** Sends a request and decodes the JSON answer; undefined for 204. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** A query string with a leading "?", without the entries that are empty. */
export function query(parameters: Record<string, string | number | boolean | undefined | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `?${text}` : "";
}
