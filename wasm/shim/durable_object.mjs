import { DurableObject } from "cloudflare:workers";

/** @import { Env } from "./owner.mjs" */
/** @import { Gateway } from "./serve.mjs" */

/**
 * Makes a Durable Object class whose requests the gateway's program serves. The class holds nothing: the program
 * keeps its state in storage.
 *
 * @param {Gateway} gateway
 * @param {string} binding the class's name in wrangler.toml's bindings, by which the program knows it
 * @returns {typeof DurableObject<Env>}
 */
export function objectClass(gateway, binding) {
  return class extends DurableObject {
    /** @param {Request} request */
    fetch(request) {
      const id = `${binding}/${this.ctx.id.name ?? this.ctx.id.toString()}`;
      return gateway.serveObject(request, this.env, this.ctx, { id, storage: this.storage });
    }

    /** Where the program keeps its state. */
    get storage() {
      return this.ctx.storage;
    }
  };
}
