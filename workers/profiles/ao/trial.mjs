// The trial of profile ao: ao's own loader loads the module and sends it one message, as a compute unit does.
//
//     node PROFILE/trial.mjs ARTIFACT SECONDS
//
// A trial proves that the host loads and starts the artifact, not that the program is right: what handle answers, its
// panic, or that it runs for long is told, and passes. Exit code: 0 pass, 1 fail; the last line says why.
//
// The loader replaces Math.random, Date.now and console.log, and the module may end the process: it runs in a child.
import { spawn } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const FORMAT = 'wasm32-unknown-emscripten4';
const LOADING_SECONDS = 60; // that a busy machine may take until the host has it; how long it then runs is the profile's to say
const OUTPUT_MAX = 64 * 1024; // bytes of the program's output that are passed on
const REPORT_MAX = 64 * 1024;
const CHANNEL = 3; // the child's reports; the module has no way to this descriptor

const sentence = (text, most = 600) => String(text).replace(/\s+/g, ' ').trim().slice(0, most);

const MESSAGE = {
  Id: 'a-message', Target: 'a-process', From: 'an-owner', Owner: 'an-owner', Module: 'a-module', 'Block-Height': '1',
  Timestamp: '1700000000000', Cron: false, Tags: [{ name: 'Action', value: 'Info' }], Data: 'iron',
};
const ENVIRONMENT = {
  Process: { Id: 'a-process', Owner: 'an-owner', Tags: [{ name: 'Name', value: 'trial' }] },
  Module: { Id: 'a-module', Owner: 'an-owner', Tags: [] },
};

// The loader's own words for a module that it cannot call.
const unusable = (error) => /exported native function|called before runtime init|unknown function/.test(error.message);

async function child(path) {
  const report = (what) => writeSync(CHANNEL, JSON.stringify(what) + '\n');
  let handle;
  try {
    const load = createRequire('/opt/bloomery/trial/')('@permaweb/ao-loader');
    handle = await load(readFileSync(path), { format: FORMAT });
  } catch (error) {
    report({ verdict: 'fail', reason: `ao-loader does not load it: ${error.name}: ${error.message}` });
    process.exit(0);
  }
  const loaded = 'ao-loader loaded it';
  report({ loaded });
  try {
    const { Output, Error: error } = await handle(null, MESSAGE, ENVIRONMENT);
    const answer = error === undefined ? JSON.stringify(Output) : `the error ${JSON.stringify(error)}`;
    report({ verdict: 'pass', reason: `${loaded}; it answered a message with ${sentence(answer ?? 'no Output', 200)}` });
  } catch (error) {
    if (error instanceof Error && unusable(error)) {
      report({ verdict: 'fail', reason: `ao-loader cannot call it: ${error.message}` });
    } else if (error instanceof SyntaxError) {
      report({ verdict: 'pass', reason: `${loaded}; its answer to a message is not the JSON that the host wants: ${error.message}` });
    } else if (error instanceof Error) {
      report({ verdict: 'pass', reason: `${loaded}; at a message it stopped: ${error.message}` });
    } else { // {"ok":false,"response":...}
      report({ verdict: 'pass', reason: `${loaded}; it answered a message with ok: false, ${sentence(JSON.stringify(error), 200)}` });
    }
  }
  process.exit(0);
}

function parent(argv) {
  const seconds = Number(argv[3]) || 20;
  const run = spawn(process.execPath, ['--no-warnings', ...argv.slice(1)], {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { BLOOMERY_TRIAL_CHILD: '1' },
  });
  let last = '\n';
  let passed = 0;
  for (const [stream, out] of [[run.stdout, process.stdout], [run.stderr, process.stderr]]) {
    stream.on('data', (data) => {
      const part = data.subarray(0, Math.max(0, OUTPUT_MAX - passed));
      passed += data.length;
      if (part.length === 0) return;
      out.write(part);
      if (out === process.stdout) last = String.fromCharCode(part[part.length - 1]);
    });
  }
  let reports = '';
  let late = false;
  const stop = () => { late = true; run.kill('SIGKILL'); };
  let timer = setTimeout(stop, LOADING_SECONDS * 1000);
  let running = false;
  run.stdio[CHANNEL].on('data', (data) => {
    if (reports.length < REPORT_MAX) reports += data;
    if (running || !reports.includes('\n')) return;
    running = true;
    clearTimeout(timer);
    timer = setTimeout(stop, seconds * 1000);
  });

  run.on('close', (code, signal) => {
    clearTimeout(timer);
    let told = {};
    let loaded = null;
    for (const line of reports.split('\n').filter(Boolean)) {
      told = JSON.parse(line);
      loaded = told.loaded ?? loaded;
    }
    let { verdict, reason } = told;
    if (!verdict && loaded) {
      verdict = 'pass';
      reason = late ? `${loaded}; still at work on a message after ${seconds} s` : `${loaded}; then node ended (${signal ?? code})`;
    } else if (!verdict) {
      verdict = 'fail';
      reason = late ? `ao-loader had not loaded it after ${LOADING_SECONDS} s` : `node ended while loading it (${signal ?? code})`;
    }
    if (passed > OUTPUT_MAX) reason += `; ${passed} bytes of output, cut`;
    // process.exit() would cut what is still in the pipe.
    process.stdout.write(`${last === '\n' ? '' : '\n'}${sentence(reason)}.\n`);
    process.exitCode = verdict === 'pass' ? 0 : 1;
  });
}

if (process.env.BLOOMERY_TRIAL_CHILD) await child(process.argv[2]);
else parent(process.argv);
