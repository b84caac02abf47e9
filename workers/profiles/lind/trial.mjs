// The trial of profile lind: node stands in for Lind's runtime (host.cjs), gives the module a shared memory and starts it.
//
// What only Lind's own runtime can do is not tried: a module that needs more imports than stand there, or that Lind's tool
// has written in a WebAssembly that this node does not read, is skipped.
import { readFileSync, writeSync } from 'node:fs';
import { names, trial } from '/opt/bloomery/trial.mjs';
import host from './host.cjs';

// `imports` of the memory says how large it must be; node's own reader of modules does not.
function limits(bytes) {
  let at = 8;
  const number = () => {
    for (let n = 0, shift = 0; ; shift += 7) {
      const b = bytes[at++];
      n |= (b & 127) << shift;
      if (b < 128) return n >>> 0;
    }
  };
  const skip = () => { const n = number(); at += n; };
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = number();
    if (id !== 2) { at += size; continue; }
    for (let left = number(); left > 0; left--) {
      skip(), skip(); // module, name
      const kind = bytes[at++];
      if (kind === 0) number(); // a function: its type
      else if (kind === 3) at += 2; // a global
      else if (kind === 4) { at++; number(); } // a tag
      else { // a table or a memory
        if (kind === 1) at++;
        const flags = bytes[at++];
        const initial = number();
        const maximum = flags & 1 ? number() : undefined;
        if (kind === 2) return { initial, maximum, shared: (flags & 2) !== 0 };
      }
    }
    break;
  }
  return null;
}

const path = process.argv[2];

// Lind's tool writes exceptions and more in a form that node learns later.
async function unreadable() {
  const bytes = readFileSync(path);
  try {
    await WebAssembly.compile(bytes);
    return null;
  } catch (error) {
    return bytes.includes('asyncify_start_unwind') ? error.message : null;
  }
}

async function lind(module) {
  const memory = limits(readFileSync(path));
  if (!memory) return { failed: 'it imports no memory' };
  const shared = { module, memory: new WebAssembly.Memory(memory), ids: new Int32Array(new SharedArrayBuffer(4)) };
  class Exit { constructor(code) { this.code = code; } }
  const provided = host.imports(shared, { exit: (code) => { throw new Exit(code); } });
  const missing = WebAssembly.Module.imports(module)
    .filter((i) => !Object.hasOwn(provided, i.module) || !Object.hasOwn(provided[i.module], i.name))
    .map((i) => `${i.module}.${i.name}`);
  if (missing.length > 0) return { skipped: `not tried: node stands in for Lind's runtime and does not have ${names(missing)}` };

  shared.loaded = "node loaded it with Lind's imports";
  const { exports } = await WebAssembly.instantiate(module, provided);
  if (typeof exports._start !== 'function') return { failed: 'it exports no _start' };
  return {
    loaded: shared.loaded,
    start: () => {
      try {
        exports._start();
        return 'it ran to its end';
      } catch (error) {
        if (error instanceof Exit) return `it ran and exited with ${error.code}`;
        // The C library's start-up code is not the program's own either.
        if (!/\b(__main_void|__main_argc_argv|main)\b/.test(error.stack)) {
          const early = new Error(error.message);
          early.stack = `\n    at _start (wasm://wasm)`; // what /opt/bloomery/trial.mjs tells it by
          throw early;
        }
        throw error;
      }
    },
  };
}

const why = process.env.BLOOMERY_TRIAL_CHILD ? await unreadable() : null;
if (why) writeSync(host.CHANNEL, JSON.stringify({ verdict: 'skipped', reason: `not tried: this node does not read what Lind's tool has made: ${why}` }) + '\n');
else await trial(lind);
