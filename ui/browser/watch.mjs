// Watches a browser during the whole of a test for what must not happen: output on the console, breaches of the content
// security policy, and secrets anywhere but where they are set or shown once.
//
// What is searched: every node and attribute that was ever in a page's document, the values of fields, storage, cookies
// that scripts can read, the console, and the network log: addresses, headers and bodies, of requests and answers.

import { createHash } from "node:crypto";

/** Statuses that Chromium itself reports on the console when a test provokes them. */
const provoked =
  /Failed to load resource: the server responded with a status of (400|401|403|404|405|409|412|415|422|502|503)/;

/** Advice of Chromium's to developers, on a level that is not shown unless it is asked for. */
const advice = (message) => message.type() === "verbose" && message.text().startsWith("[DOM] ");

/** What has the form of a secret is one, known to the test or not. */
const forms = [
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/g, // a JSON Web Token
  /\bgw_[A-Za-z0-9]{20,}/g, // an access key of the gateway
  /\b(?:cs|rt)-[A-Z2-7]{20,}/g, // a client secret and a refresh token of the demo's authorization server
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\w+/=\s\\]{20,40}/g,
  /\bAGE-SECRET-KEY-1[A-Z0-9]{20,}/g,
];

/** A code verifier (RFC 7636 §4.1), or something else of that form. */
const verifierForm = /[A-Za-z0-9._~-]{43,128}/g;

const challengeOf = (verifier) => createHash("sha256").update(verifier).digest("base64url");

/** provokes: what the test itself makes Chromium write on the console. */
export function watch(context, provokes) {
  const seen = { console: [], violations: [], texts: new Map(), secrets: new Map() };
  const pending = new Set();
  const note = (place, text) => {
    if (!text) return;
    const texts = seen.texts.get(place) ?? new Set();
    texts.add(text);
    seen.texts.set(place, texts);
  };
  const later = (promise) => {
    const settled = promise.catch(() => undefined).finally(() => pending.delete(settled));
    pending.add(settled);
  };
  const headers = (place, message) =>
    later(
      message.headersArray().then((list) => {
        for (const { name, value } of list) note(`header ${name.toLowerCase()} of ${place}`, value);
      }),
    );

  context.on("console", (message) => {
    const text = message.text();
    if (!provoked.test(text) && !advice(message) && !provokes?.test(text))
      seen.console.push(`${message.type()}: ${text}`);
    note("console", text);
  });
  context.on("weberror", (error) => seen.console.push(`error: ${error.error().message}`));
  context.on("request", (request) => {
    const what = `${request.method()} ${pathOf(request.url())}`;
    note(`address of ${what}`, request.url());
    note(`body of ${what}`, request.postData());
    headers(what, request);
  });
  context.on("response", (response) => {
    const what = `${response.request().method()} ${pathOf(response.url())}`;
    headers(`the answer to ${what}`, response);
    if (pathOf(response.url()).startsWith("/ui/assets/")) return;
    later(response.text().then((text) => note(`answer to ${what}`, text)));
  });
  const ready = Promise.all([
    context.exposeBinding("reportToWatcher", (_, { dom, fields, storage, cookies, violations }) => {
      for (const text of dom) note("dom", text);
      for (const text of fields) note("fields", text);
      note("storage", storage);
      note("cookies", cookies);
      seen.violations.push(...violations);
    }),
    context.addInitScript(observe),
  ]);

  return {
    seen,
    ready,
    /** A text that may be nowhere but in these places: beginnings of the names that leaks() tells. */
    secret(value, ...places) {
      seen.secrets.set(value, [...(seen.secrets.get(value) ?? []), ...places]);
    },
    /** Every secret that was found where it may not be, and where. Waits for what is still being read. */
    async leaks() {
      for (const page of context.pages()) await page.evaluate(() => window.flushToWatcher?.()).catch(() => undefined);
      while (pending.size > 0) await Promise.all(pending);
      return search(seen);
    },
  };
}

function pathOf(address) {
  const url = new URL(address);
  return url.protocol.startsWith("http") ? url.pathname : url.protocol;
}

function search(seen) {
  const leaks = new Set();
  const tell = (value, place) => leaks.add(`${value.slice(0, 8)}… in ${place}`);
  const may = (value, place) => (seen.secrets.get(value) ?? []).some((p) => place.startsWith(p));
  const challenges = new Set();
  for (const texts of seen.texts.values())
    for (const text of texts)
      for (const [, challenge] of text.matchAll(/[?&]code_challenge=([\w-]{43})/g)) challenges.add(challenge);
  const verifiers = new Map();
  const isVerifier = (value) => {
    if (!verifiers.has(value)) verifiers.set(value, challenges.has(challengeOf(value)));
    return verifiers.get(value);
  };
  for (const [place, texts] of seen.texts) {
    for (const text of texts) {
      for (const value of seen.secrets.keys()) if (text.includes(value) && !may(value, place)) tell(value, place);
      for (const form of forms)
        for (const [value] of text.matchAll(form)) if (!known(seen, value, place)) tell(value, place);
      if (challenges.size === 0) continue;
      for (const [value] of text.matchAll(verifierForm))
        if (isVerifier(value)) tell(value, `${place} (a code verifier)`);
    }
  }
  return [...leaks].sort();
}

/** Is this a secret of the test, in a place where it may be? A form can match more or less than the secret. */
function known(seen, found, place) {
  for (const [value, places] of seen.secrets)
    if ((value.includes(found) || found.includes(value)) && places.some((p) => place.startsWith(p))) return true;
  return false;
}

/** Runs in every page and frame, before the page's own scripts. */
function observe() {
  if (!window.reportToWatcher) return;
  let dom = [];
  let violations = [];
  let timer;
  const fields = new Set();
  const ofFields = (element) => {
    for (const e of element.querySelectorAll?.("input, textarea, select") ?? []) if (e.value) fields.add(e.value);
  };
  // The attribute mirrors what is typed into a field that React controls.
  const mirror = /^(?:INPUT|TEXTAREA)$/;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    ofFields(document);
    let storage = "";
    try {
      storage = JSON.stringify([{ ...localStorage }, { ...sessionStorage }]);
    } catch {
      // A document without an origin has none.
    }
    let cookies = "";
    try {
      cookies = document.cookie;
    } catch {
      // The same.
    }
    const report = { dom, fields: [...fields], storage, cookies, violations };
    dom = [];
    violations = [];
    fields.clear();
    return window.reportToWatcher(report);
  };
  const soon = () => (timer ??= setTimeout(flush, 100));
  window.flushToWatcher = flush;
  document.addEventListener("securitypolicyviolation", (event) => {
    violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    soon();
  });
  document.addEventListener("input", (event) => {
    if (event.target.value) fields.add(event.target.value);
    soon();
  });
  addEventListener("pagehide", () => void flush());
  new MutationObserver((records) => {
    for (const r of records) {
      // What React puts into a text area is a mirror of the field, too.
      if (r.target.closest?.("textarea") ?? r.target.parentElement?.closest("textarea")) ofFields(document);
      else if (r.type === "characterData") dom.push(r.target.data);
      else if (r.type === "attributes") {
        const value = r.target.getAttribute(r.attributeName);
        if (value && r.attributeName === "value" && mirror.test(r.target.nodeName)) fields.add(value);
        else if (value) dom.push(value);
      } else {
        for (const node of r.addedNodes) dom.push(node.nodeType === Node.ELEMENT_NODE ? markup(node) : node.nodeValue);
      }
    }
    soon();
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });

  /** The element's HTML, without the values that mirror fields. */
  function markup(element) {
    ofFields(element);
    if (!element.matches("[value], textarea") && !element.querySelector("[value], textarea")) return element.outerHTML;
    const copy = element.cloneNode(true);
    for (const e of [copy, ...copy.querySelectorAll("[value]")])
      if (mirror.test(e.nodeName)) e.removeAttribute("value");
    return copy.outerHTML;
  }
}
