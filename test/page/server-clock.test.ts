import { afterEach, expect, test, vi } from 'vitest';
import { heard, nowMs } from '../../web/src/api/server-clock.ts';

const serverMs = Date.UTC(2026, 10, 29, 12, 0, 0);
const answer = (headers: Record<string, string>) => () => Promise.resolve(new Response(null, { headers }));
const at = (ms: number) => answer({ date: new Date(ms).toUTCString() });
function browserAt(ms: number): void {
  vi.spyOn(Date, 'now').mockReturnValue(ms);
  // An answer is there at once, however busy the machine.
  vi.spyOn(performance, 'now').mockReturnValue(0);
}

afterEach(() => vi.restoreAllMocks());

test.each([
  ['ten minutes behind', serverMs - 600_000],
  ['a day ahead', serverMs + 86_400_000],
])('a browser whose clock is %s → now is the server’s, to a second', async (_, browserMs) => {
  browserAt(browserMs);
  await heard(at(serverMs));
  expect(Math.abs(nowMs() - serverMs)).toBeLessThanOrEqual(1000);
  // What tells nothing changes nothing.
  await heard(answer({}));
  await heard(answer({ date: 'soon' }));
  expect(Math.abs(nowMs() - serverMs)).toBeLessThanOrEqual(1000);
});

test('clocks that agree to the second → the browser’s own, which is finer', async () => {
  browserAt(serverMs + 999);
  await heard(at(serverMs));
  expect(nowMs()).toBe(serverMs + 999);
});

test('an answer that was long under way → not believed', async () => {
  browserAt(serverMs);
  await heard(at(serverMs));
  const times = [0, 5000].values();
  vi.spyOn(performance, 'now').mockImplementation(() => times.next().value ?? 5000);
  await heard(at(serverMs - 600_000));
  expect(nowMs()).toBe(serverMs);
});
