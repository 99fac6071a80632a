/** The Worker: `main` of wrangler.toml. */
import module from "../../build/app.wasm";
import { MODULE_SHA256 } from "../../build/module.mjs";
import { makeWorker } from "./entry.mjs";

const { handlers, Directory, Minter } = makeWorker(module, MODULE_SHA256);

export { Directory, Minter };
export default handlers;
