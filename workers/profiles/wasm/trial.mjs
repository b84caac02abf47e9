// The trial of profile wasm: compiled, instantiated and started in node. What a module imports
// comes from the user's page, so a module with imports cannot be tried here.
import { trial, names } from '/opt/bloomery/trial.mjs';

trial(async (module) => {
  const imports = WebAssembly.Module.imports(module);
  if (imports.length > 0) {
    const wanted = names(imports.map((i) => `${i.module}.${i.name}`));
    return { skipped: `it compiles, but what it imports only the user's page provides: ${wanted}` };
  }
  // Runs the module's start section, if there is one.
  const { exports } = await WebAssembly.instantiate(module, {});
  const all = Object.keys(exports);
  const loaded = `node instantiated it; exports: ${all.length ? names(all) : 'none'}`;
  const entry = ['_initialize', '_start', 'main'].find((name) => typeof exports[name] === 'function');
  if (!entry) return { loaded };
  return {
    loaded,
    start: () => {
      const result = entry === 'main' ? exports.main(0, 0) : exports[entry]();
      return `${entry} returned${result === undefined ? '' : ` ${result}`}`;
    },
  };
});
