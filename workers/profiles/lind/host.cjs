// host.cjs - what the trial of profile lind has in place of Lind's runtime: its imports, and of its system calls as many as a
// program needs to start, to print and to end. There are no arguments, no environment and no files; a system call that is not
// here answers ENOSYS. A thread is a worker of node's with an instance of its own in the same memory: it runs this file, too.
const { writeSync } = require('node:fs');
const { randomBytes } = require('node:crypto');
const { setFlagsFromString } = require('node:v8');
const { Worker, isMainThread, workerData } = require('node:worker_threads');

const PAGE = 65536;
const EBADF = 9, EAGAIN = 11, ENOMEM = 12, EINVAL = 22, ENOTTY = 25, ESPIPE = 29, ENOSYS = 38, ETIMEDOUT = 110;
const CHANNEL = 3; // where the child of /opt/bloomery/trial.mjs reports
Error.stackTraceLimit = 200;
// The quick compiler of node 20 gets memory.atomic.wait32 in a loop wrong: the second wait is at some other address.
setFlagsFromString('--no-liftoff');

// on.exit(code): the program ends. shared: what all threads of it have, {module, memory, ids, loaded}.
function imports(shared, on) {
  const { memory } = shared;
  const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);
  const view = () => new DataView(memory.buffer);

  // Node writes and fills no shared buffer: hence the copies.
  const write = (fd, at, n) => (fd === 1 || fd === 2 ? writeSync(fd, Buffer.from(bytes(at, n))) : -EBADF);
  const random = (at, n) => { bytes(at, n).set(randomBytes(n)); return n; };
  const writev = (fd, at, count) => { // struct iovec: address and length, 8 bytes each
    let all = 0;
    for (let i = 0; i < count; i++) {
      const put = write(fd, view().getUint32(at + 16 * i, true), view().getUint32(at + 16 * i + 8, true));
      if (put < 0) return all || put;
      all += put;
    }
    return all;
  };
  const map = (_at, n, _protection, flags) => {
    if (!(flags & 0x20)) return -EINVAL; // of a file
    try { return memory.grow(Math.ceil(n / PAGE)) * PAGE; } catch { return -ENOMEM; }
  };
  const futex = (at, operation, value, timeout) => {
    const words = new Int32Array(memory.buffer);
    if ((operation & 127) === 1) return Atomics.notify(words, at >> 2, value);
    if ((operation & 127) !== 0) return -ENOSYS;
    const most = timeout ? Number(view().getBigInt64(timeout, true)) * 1e3 + view().getInt32(timeout + 8, true) / 1e6 : Infinity;
    return { ok: 0, 'not-equal': -EAGAIN, 'timed-out': -ETIMEDOUT }[Atomics.wait(words, at >> 2, value, most)];
  };
  const clock = (which, at) => {
    const now = which === 0 ? BigInt(Date.now()) * 1000000n : process.hrtime.bigint();
    view().setBigInt64(at, now / 1000000000n, true);
    view().setBigInt64(at + 8, now % 1000000000n, true);
    return 0;
  };
  const spawn = (argument) => {
    const id = Atomics.add(shared.ids, 0, 1) + 1;
    new Worker(__filename, { workerData: { ...shared, id, argument } });
    return id;
  };
  const zero = () => 0;
  // By Linux's numbers for x86_64, in which Lind counts.
  const calls = {
    0: (fd) => (fd === 0 ? 0 : -EBADF), // read: nothing
    1: write, 3: zero /* close */, 8: () => -ESPIPE /* lseek */, 9: map, 10: zero /* mprotect */, 11: zero /* munmap */,
    13: zero, 14: zero /* signals */, 16: () => -ENOTTY /* ioctl */, 20: writev, 24: zero /* sched_yield */,
    39: () => 1 /* getpid */, 60: on.exit, 72: zero /* fcntl */, 102: zero, 104: zero, 107: zero, 108: zero /* getuid... */,
    202: futex, 228: clock, 231: on.exit, 318: random,
    9001: spawn, // of Bloomery's test kit only: Lind makes threads with clone, which takes an instrumented module and its runtime
  };

  const none = (count, size) => { view().setUint32(count, 0, true); view().setUint32(size, 0, true); return 0; };
  const start = {
    args_sizes_get: none, args_get: zero, environ_sizes_get: none, environ_get: zero,
    random_get: (at, n) => { random(at >>> 0, n >>> 0); return 0; },
  };
  const absent = (name) => () => { throw new Error(`${name} is in Lind's own runtime only`); };
  return {
    env: { memory },
    wasi_snapshot_preview1: start,
    lind: {
      ...start,
      'lind-get-memory-base': () => 0n, // so that addresses are those of the memory
      'lind-get-cage-id': () => 1n,
      'make-syscall': (number, _name, _self, _target, a, _a, b, _b, c, _c, d) =>
        (Object.hasOwn(calls, number) ? calls[number](Number(a), Number(b), Number(c), Number(d)) : -ENOSYS),
      'debug-panic': () => { throw new Error('the program called debug-panic'); },
      epoch_callback: zero,
      dlopen: absent('dlopen'), dlclose: absent('dlclose'), dlsym: absent('dlsym'),
    },
  };
}

// The program ends, whatever its first thread waits for.
function end(reason) {
  writeSync(CHANNEL, JSON.stringify({ verdict: 'pass', reason: `${workerData.loaded}; ${reason}` }) + '\n');
  process.kill(process.pid, 'SIGKILL');
}

if (!isMainThread) {
  try {
    const on = { exit: (code) => end(`it ran and exited with ${code}, in a thread`) };
    new WebAssembly.Instance(workerData.module, imports(workerData, on)).exports.wasi_thread_start(workerData.id, workerData.argument);
  } catch (error) {
    end(`then a thread stopped: ${error.message}`);
  }
}

module.exports = { imports, CHANNEL };
