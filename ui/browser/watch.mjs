// Watches a browser for what must not happen: output on the console, breaches of the content security policy, and
// secrets anywhere but in the request that sets them.

/** Statuses that Chromium itself reports on the console when a test provokes them. */
const provoked = /Failed to load resource: the server responded with a status of (401|403|404|409|412|422|502|503)/;

export function watch(context) {
  const seen = { console: [], violations: [], texts: [], secrets: new Map() };
  const pending = [];
  context.on("console", (message) => {
    const text = message.text();
    if (!provoked.test(text)) seen.console.push(`${message.type()}: ${text}`);
    seen.texts.push(["console", text]);
  });
  context.on("weberror", (error) => seen.console.push(`error: ${error.error().message}`));
  context.on("request", (request) => {
    seen.texts.push([`address of ${request.method()} ${new URL(request.url()).pathname}`, request.url()]);
    const body = request.postData();
    if (body) seen.texts.push([`body of ${request.method()} ${new URL(request.url()).pathname}`, body]);
  });
  context.on("response", (response) => {
    const path = new URL(response.url()).pathname;
    if (path.startsWith("/ui/")) return;
    pending.push(
      response.text().then(
        (text) => seen.texts.push([`answer to ${response.request().method()} ${path}`, text]),
        () => undefined,
      ),
    );
  });
  return {
    seen,
    /** A text that may be nowhere but in these places. */
    secret(value, ...places) {
      seen.secrets.set(value, places);
    },
    /** Looks at the page as it is now: its DOM, the values of its fields, its storage. */
    async look(page) {
      const found = await page.evaluate(() => ({
        dom: document.documentElement.outerHTML,
        fields: [...document.querySelectorAll("input, textarea")].map((e) => e.value).join("\n"),
        storage: JSON.stringify([{ ...localStorage }, { ...sessionStorage }]),
        cookies: document.cookie,
        violations: window.cspViolations ?? [],
      }));
      seen.violations.push(...found.violations);
      for (const place of ["dom", "fields", "storage", "cookies"]) seen.texts.push([place, found[place]]);
    },
    async leaks() {
      await Promise.all(pending);
      const leaks = [];
      for (const [value, places] of seen.secrets) {
        for (const [place, text] of seen.texts) {
          if (text.includes(value) && !places.some((p) => place.startsWith(p)))
            leaks.push(`${value.slice(0, 6)}… in ${place}`);
        }
      }
      return [...new Set(leaks)];
    },
  };
}

/** Keeps breaches of the policy where look() finds them. */
export const keepViolations = () => {
  window.cspViolations = [];
  document.addEventListener("securitypolicyviolation", (event) => {
    window.cspViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
  });
};
