// The measure for the gateway on workerd: a plain JavaScript worker that does the same job. It checks the caller's key,
// takes the caller's credentials away, and adds an access token from a cached client_credentials grant.

let token;
let expiry = 0;

async function accessToken(env) {
  if (Date.now() < expiry - 60_000) return token;
  const basic = btoa(`${encodeURIComponent(env.CLIENT_ID)}:${encodeURIComponent(env.CLIENT_SECRET)}`);
  const response = await fetch(env.TOKEN_URL, {
    method: "POST",
    headers: { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" },
    body: "grant_type=client_credentials",
  });
  if (!response.ok) throw new Error(`token endpoint: status ${response.status}`);
  const reply = await response.json();
  token = reply.access_token;
  expiry = Date.now() + reply.expires_in * 1000;
  return token;
}

const encoder = new TextEncoder();
let known;

async function authorized(request, env) {
  const key = (request.headers.get("authorization") ?? "").replace(/^Bearer /, "");
  known ??= await crypto.subtle.digest("SHA-256", encoder.encode(env.KEY));
  const given = await crypto.subtle.digest("SHA-256", encoder.encode(key));
  return crypto.subtle.timingSafeEqual(given, known);
}

export default {
  async fetch(request, env) {
    if (!(await authorized(request, env))) return new Response("unauthorized", { status: 401 });
    const headers = new Headers(request.headers);
    for (const name of ["authorization", "cookie", "x-grantway-key", "host"]) headers.delete(name);
    headers.set("authorization", `Bearer ${await accessToken(env)}`);
    const response = await fetch(env.UPSTREAM, {
      method: request.method,
      headers,
      body: await request.arrayBuffer(),
      redirect: "manual",
    });
    return new Response(response.body, response);
  },
};
