// An ao process in ao's own loader: see process() in ao.py.
//
//     node ao_process.mjs MODULE.wasm MESSAGES.json FORMAT
//
// One line `>{...}` for each message; other lines are the module's own.
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const load = createRequire('/opt/bloomery/trial/')('@permaweb/ao-loader');
const [path, messages, format] = process.argv.slice(2);
const handle = await load(readFileSync(path), { format });
const environment = { Process: { Id: 'p', Owner: 'o', Tags: [] }, Module: { Id: 'm', Owner: 'o', Tags: [] } };
let memory = null;
let height = 0;

for (const [action, data] of JSON.parse(readFileSync(messages))) {
  const message = {
    Id: `message-${height}`, Target: 'p', From: 'o', Owner: 'o', Module: 'm', 'Block-Height': String(++height),
    Timestamp: '1700000000000', Cron: false, Tags: [{ name: 'Action', value: action }],
    Data: typeof data === 'number' ? 'x'.repeat(data) : data,
  };
  let answer;
  try {
    const result = await handle(memory, message, environment);
    memory = result.Memory;
    answer = { output: result.Output };
  } catch (error) {
    answer = { error: String(error.message ?? JSON.stringify(error)) };
  }
  writeSync(1, `\n>${JSON.stringify({ ...answer, memory: memory?.byteLength ?? 0 })}\n`);
}
process.exit(0);
