// The trial of profile wasi: a command is run, a reactor initialised, under node's WASI with
// no arguments, no environment and no folder.
import { WASI } from 'node:wasi';
import { trial, names } from '/opt/bloomery/trial.mjs';

trial(async (module) => {
  const wasi = new WASI({ version: 'preview1', args: ['artifact'], env: {}, preopens: {}, returnOnExit: true });
  const provided = wasi.getImportObject();
  const missing = WebAssembly.Module.imports(module)
    .filter((i) => typeof provided[i.module]?.[i.name] !== 'function')
    .map((i) => `${i.module}.${i.name}`);
  if (missing.length > 0) return { failed: `WASI preview1 does not provide: ${names(missing)}` };

  const instance = await WebAssembly.instantiate(module, provided);
  const { exports } = instance;
  if (typeof exports._start === 'function') {
    return {
      loaded: "node's WASI loaded the command",
      start: () => `it ran and exited with ${wasi.start(instance) ?? 0}`,
    };
  }
  if (typeof exports._initialize === 'function') {
    return {
      loaded: "node's WASI loaded the reactor",
      start: () => {
        wasi.initialize(instance);
        return `it was initialised; exports: ${names(Object.keys(exports))}`;
      },
    };
  }
  return { failed: 'it exports neither _start nor _initialize: neither a command nor a reactor' };
});
