/** @import { Env } from "./owner.mjs" */

/**
 * The variables that the guest may see, and the host's own, as name, value, name, value …
 *
 * @param {Env} env
 * @param {string} sha256 of the module
 */
export function guestVariables(env, sha256) {
  const out = [];
  for (const name of Object.keys(env)) {
    if (typeof env[name] === "string" && (name.startsWith("GRANTWAY_") || name.startsWith("MCP_OAUTH2_"))) {
      out.push(name, env[name]);
    }
  }
  out.push("GRANTWAY_HOST", "workerd", "GRANTWAY_MODULE_SHA256", sha256);
  return out;
}
