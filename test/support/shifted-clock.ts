import { readFileSync } from 'node:fs';

/**
 * Loaded into a process before its program (`--import`): its wall clock runs as far ahead of the real one as the file
 * that `SHIFTED_CLOCK_FILE` names says, in milliseconds; read again and again, so that a test can make it jump.
 */
const file = process.env.SHIFTED_CLOCK_FILE;
if (file === undefined) throw new Error('SHIFTED_CLOCK_FILE is not set');
const clock = { shiftMs: 0, read: () => Number(readFileSync(file, 'utf8')) };
clock.shiftMs = clock.read();
setInterval(() => {
  clock.shiftMs = clock.read();
}, 20).unref();

const realNow = Date.now;
Date.now = () => realNow() + clock.shiftMs;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget),
});
