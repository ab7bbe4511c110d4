import { openSync, readSync } from 'node:fs';

/**
 * Loaded into a process before its program (`--import`): its wall clock runs as far ahead of the real one as the file
 * that `SHIFTED_CLOCK_FILE` names says, in milliseconds, a double: looked at whenever the clock is, so that a test can make
 * it jump.
 */
const file = process.env.SHIFTED_CLOCK_FILE;
if (file === undefined) throw new Error('SHIFTED_CLOCK_FILE is not set');
const opened = openSync(file, 'r');
const shiftMs = new Float64Array(1);

const realNow = Date.now;
Date.now = () => {
  readSync(opened, shiftMs, 0, 8, 0);
  return realNow() + (shiftMs[0] ?? 0);
};
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget),
});
