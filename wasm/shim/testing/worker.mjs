/** The Worker under test: the deployed one, and beside it the controls of control.mjs. It is never deployed. */
import module from "../../../build/app.wasm";
import { MODULE_SHA256 } from "../../../build/module.mjs";
import { makeWorker } from "../entry.mjs";
import { controlled } from "./control.mjs";

const { handlers, Directory, Minter } = controlled(makeWorker(module, MODULE_SHA256));

export { Directory, Minter };
export default handlers;
