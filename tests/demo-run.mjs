// Runs what the demo built: node demo-run.mjs wasm|wasi MODULE WORDS...
import { readFile } from 'node:fs/promises';

const [kind, file, ...words] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(file));
if (kind === 'wasi') {
  const { WASI } = await import('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['example', ...words], env: {}, returnOnExit: true });
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  process.exitCode = wasi.start(instance);
} else {
  // The module's own convention: alloc(len) gives room, report(ptr, len) answers with a pointer to a NUL-terminated text.
  const { exports } = await WebAssembly.instantiate(module, {});
  const input = new TextEncoder().encode(words.join(' '));
  const at = exports.alloc(input.length);
  new Uint8Array(exports.memory.buffer).set(input, at);
  const answer = exports.report(at, input.length);
  const bytes = new Uint8Array(exports.memory.buffer, answer);
  console.log(new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))));
}
