// What scripts/build puts beside the shim, and what Go's wasm_exec.js adds to the global object.

declare class Go {
  importObject: WebAssembly.Imports & { gojs: Record<string, (sp: number) => void> };
  mem: DataView;
  exit: (code: number) => void;
  run(instance: WebAssembly.Instance): Promise<void>;
  _resume(): void;
}

declare module "*/build/app.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "*/build/wasm_exec.js";

declare module "*/build/module.mjs" {
  export const MODULE_SHA256: string;
}
