declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}

declare module "*/build/module.mjs" {
  export const MODULE_SHA256: string;
}

declare module "*/build/wasm_exec.js" {}

/** Go's wasm_exec.js. */
declare class Go {
  importObject: WebAssembly.Imports;
  exit: (status: number) => void;
  run(instance: WebAssembly.Instance): Promise<void>;
  _resume(): void;
}

/** What github.com/syumai/workers reads when a program starts. */
declare var context: { env: object; ctx: object; binding: object };
