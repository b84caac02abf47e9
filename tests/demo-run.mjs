// Runs what the demo built: node demo-run.mjs wasm|wasi MODULE WORDS...
import { readFile } from 'node:fs/promises';

const [kind, file, ...words] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(file));
if (kind === 'wasi') {
  const { WASI } = await import('node:wasi');
  const wasi = new WASI({ version: 'preview1', args: ['smelt', ...words], env: {}, returnOnExit: true });
  const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
  process.exitCode = wasi.start(instance);
} else {
  // The module's own convention: allocate(len) gives room, report(at, len) answers with address and length in one number.
  const { exports } = await WebAssembly.instantiate(module, {});
  const input = new TextEncoder().encode(words.join(' '));
  const at = exports.allocate(input.length);
  new Uint8Array(exports.memory.buffer).set(input, at);
  const answer = BigInt.asUintN(64, exports.report(at, input.length));
  const bytes = new Uint8Array(exports.memory.buffer, Number(answer >> 32n), Number(answer & 0xffffffffn));
  console.log(new TextDecoder().decode(bytes));
}
