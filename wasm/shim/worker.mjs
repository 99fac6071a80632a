// The Worker: what Cloudflare calls.

import { DurableObject } from "cloudflare:workers";
import { serveAssets } from "./assets.mjs";
import { Kind } from "./codes.mjs";
import { OBJECT_HEADER } from "./operations/fetch.mjs";
import { runScheduled } from "./per_event.mjs";
import { serve } from "./resident.mjs";

export default {
  /**
   * @param {any} request
   * @param {any} env
   * @param {any} ctx
   */
  fetch: (request, env, ctx) => serveAssets(request, env) ?? serve(Kind.Fetch, request, env, ctx),

  /**
   * @param {any} event
   * @param {any} env
   * @param {any} ctx
   */
  scheduled: (event, env, ctx) => runScheduled(event, env, ctx),
};

/** @param {string} binding the class's name for Go */
const objectClass = (binding) =>
  class extends DurableObject {
    /** @param {any} request */
    async fetch(request) {
      const name = binding + "/" + decodeURIComponent(request.headers.get(OBJECT_HEADER) ?? "");
      return serve(Kind.Object, request, this.env, this.ctx, { name, storage: this.ctx.storage });
    }
  };

/** The truth for all configuration. */
export const Directory = objectClass("DIRECTORY");
/** Single flight, failure state and generation of one token. */
export const Minter = objectClass("MINTER");
