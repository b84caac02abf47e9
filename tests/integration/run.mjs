// Runs a module that was built, as its user would.
//
//     node run.mjs FILE.wasm [WORD ...]           a WASI command with these arguments; a reactor is initialised
//     node run.mjs FILE.wasm --call NAME N ...    calls an export with numbers and prints what it gives
//     node run.mjs FILE.wasm --report WORD ...    the example's module: text in, JSON out, through its memory
//
// A module that imports more than WASI gets functions of the name `page.tell` that print.
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const [file, ...words] = process.argv.slice(2);
const module = await WebAssembly.compile(readFileSync(file));
const wasi = new WASI({ version: 'preview1', args: ['program', ...words], env: {}, returnOnExit: true });
const wants = new Set(WebAssembly.Module.imports(module).map((i) => i.module));
const imports = {
  ...(wants.has('wasi_snapshot_preview1') ? wasi.getImportObject() : {}),
  ...(wants.has('page') ? { page: { tell: (n) => console.log(`told ${n}`) } } : {}),
};
const instance = await WebAssembly.instantiate(module, imports);
const { exports } = instance;

if (words[0] === '--call') {
  if (exports._initialize) wasi.initialize(instance);
  console.log(String(exports[words[1]](...words.slice(2).map(Number))));
} else if (words[0] === '--report') {
  const text = new TextEncoder().encode(words.slice(1).join(' '));
  const at = exports.allocate(text.length);
  new Uint8Array(exports.memory.buffer, at, text.length).set(text);
  const packed = BigInt.asUintN(64, exports.report(at, text.length));
  const [out, length] = [Number(packed >> 32n), Number(packed & 0xffffffffn)];
  console.log(new TextDecoder().decode(new Uint8Array(exports.memory.buffer, out, length)));
  exports.release(out, length);
  exports.release(at, text.length);
} else if (exports._start) {
  process.exitCode = wasi.start(instance);
} else {
  if (exports._initialize) wasi.initialize(instance);
  console.log(`exports: ${Object.keys(exports).join(' ')}`);
}
