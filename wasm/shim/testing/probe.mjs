/** The same for the contract suite's own guest, wasm/probe, which misbehaves on demand. */
import module from "../../../build/probe.wasm";
import { makeWorker } from "../entry.mjs";
import { controlled } from "./control.mjs";

const { handlers, Directory, Minter } = controlled(makeWorker(module, "probe"));

export { Directory, Minter };
export default handlers;
