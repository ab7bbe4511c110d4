/** Closer than this the clocks of the browser and the server need not be told apart: answers tell whole seconds. */
export const apartMs = 2000;
/** An answer that was longer under way says too little of what the server's clock shows now. */
const tripMsMax = 1000;

let aheadMs = 0;

/** Now, by the server's clock as its answers tell it: the browser's may be wrong, and the log knows no other than the server's. */
export function nowMs(): number {
  return Date.now() + aheadMs;
}

/** As `fetch`; reads off the answer how far the server's clock is ahead. */
export async function heard(call: () => Promise<Response>): Promise<Response> {
  const begunAt = performance.now();
  const answer = await call();
  const saidMs = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isNaN(saidMs) || performance.now() - begunAt > tripMsMax) return answer;
  // In the middle of the second that it names.
  const ms = saidMs + 500 - Date.now();
  aheadMs = Math.abs(ms) < apartMs ? 0 : ms;
  return answer;
}
