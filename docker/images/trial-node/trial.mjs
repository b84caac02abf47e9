// trial.mjs - what the trials of all profiles that run under node have in common.
//
//     node PROFILE/trial.mjs ARTIFACT SECONDS
//
// A trial proves that the host loads and starts the artifact, not that the program is
// right. Exit code: 0 pass, 1 fail, 77 skipped; the last line of standard output says why.
//
// The artifact runs in a child: a module that loops, sleeps or takes node down with it
// cannot keep the verdict from being given.
import { spawn } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';

const LOADING_SECONDS = 60; // that a busy machine may take until the host has it; how long it then runs is the profile's to say
const OUTPUT_MAX = 64 * 1024; // bytes of the program's output that are passed on
const CHANNEL = 3; // the child's reports; a WASI program has no way to this descriptor

const sentence = (text) => String(text).replace(/\s+/g, ' ').trim().slice(0, 600);

// "a, b, c and 7 more"
export function names(list, most = 8) {
  const more = list.length - most;
  return list.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

// Is this trap one of the start-up code, before the program's own? Told by the frames' names;
// without names (a stripped module) the program gets the benefit of the doubt.
function beforeOwnCode(error) {
  const frames = [...String(error.stack).matchAll(/^\s+at (?:[^\s(]*\.)?([^\s(]+) \(wasm:/gm)].map((m) => m[1]);
  const startup = /^(_start|_initialize|__wasm_(call_ctors|init_memory|init_tls|apply_\w+))$/;
  return frames.length > 0 && frames.every((name) => startup.test(name));
}

async function child(host, path) {
  const report = (what) => writeSync(CHANNEL, JSON.stringify(what) + '\n');
  try {
    const module = await WebAssembly.compile(readFileSync(path));
    const program = await host(module);
    if (program.skipped) {
      report({ verdict: 'skipped', reason: program.skipped });
    } else if (program.failed) {
      report({ verdict: 'fail', reason: program.failed });
    } else {
      report({ loaded: true, reason: program.loaded });
      if (program.start) {
        try {
          report({ verdict: 'pass', reason: `${program.loaded}; ${program.start()}` });
        } catch (error) {
          const early = beforeOwnCode(error);
          report({
            verdict: early ? 'fail' : 'pass',
            reason: `${program.loaded}; ${early ? 'trapped before its own code' : 'then it stopped'}: ${error.message}`,
          });
        }
      } else {
        report({ verdict: 'pass', reason: program.loaded });
      }
    }
  } catch (error) {
    // CompileError, LinkError, or a trap of the module's start function.
    report({ verdict: 'fail', reason: `the host does not load it: ${error.name}: ${error.message}` });
  }
  process.exit(0);
}

function parent(argv) {
  const seconds = Number(argv[3]) || 8;
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
    reports += data;
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
      if (told.loaded) loaded = told.reason;
    }
    let { verdict, reason } = told;
    if (!verdict && loaded) {
      verdict = 'pass';
      reason = late ? `${loaded}; still running after ${seconds} s` : `${loaded}; then node ended (${signal ?? code})`;
    } else if (!verdict) {
      verdict = 'fail';
      reason = late ? `the host had not loaded it after ${LOADING_SECONDS} s` : `node ended while loading it (${signal ?? code})`;
    }
    if (passed > OUTPUT_MAX) reason += `; ${passed} bytes of output, cut`;
    // process.exit() would cut what is still in the pipe.
    process.stdout.write(`${last === '\n' ? '' : '\n'}${sentence(reason)}.\n`);
    process.exitCode = { pass: 0, fail: 1, skipped: 77 }[verdict];
  });
}

// host(module) gives {skipped} or {failed} with a reason, or {loaded, start}: a sentence and, if
// there is something to start, a function that starts it and tells how it ended.
export function trial(host) {
  return process.env.BLOOMERY_TRIAL_CHILD ? child(host, process.argv[2]) : parent(process.argv);
}
