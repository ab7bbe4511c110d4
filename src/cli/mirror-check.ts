import { setTimeout as wait } from 'node:timers/promises';
import { Check, type Checked } from '../mirror/check.ts';
import type { Mirrors } from '../mirror/mirrors.ts';
import { edgeMs, windowMs } from '../mirror/pace.ts';
import { beginning, readPlace } from '../mirror/place.ts';
import { MirrorError, type MirrorRows } from '../mirror/rows.ts';
import { type Ask, askUpstream } from '../mirror/upstream.ts';

export type CheckRequest = {
  readonly name: string;
  readonly hours: number;
  /** The server that keeps the mirror's log, and a key that may read it. */
  readonly url: string;
  readonly key: string;
};

/** The newest may still be on its way. */
const settlingMs = 2 * 60_000;

/** Asks the other side of a mirror and this log the same questions, within the mirror's requests a minute. */
export async function checkMirror(
  mirrors: Mirrors,
  rows: MirrorRows,
  { name, hours, url, key }: CheckRequest,
): Promise<Checked> {
  const mirror = await mirrors.mirror(name);
  const text = await rows.place(mirror.id);
  const { skewMs, begunAt } = text === undefined ? beginning : readPlace(text, name);
  if (begunAt === undefined) throw new MirrorError(`the mirror "${name}" has read nothing yet`);
  const theirNow = Date.now() + skewMs;
  const from = Math.max(theirNow - hours * 3_600_000, theirNow - windowMs + edgeMs, begunAt - mirror.sinceMs);
  const common = { fetch, clock: Date.now };
  return new Check({
    theirs: within(
      mirror.requestsPerMinute,
      mirror.id,
      rows,
      askUpstream({ ...common, from: mirror.from, key: mirrors.key(mirror) }),
    ),
    ours: askUpstream({ ...common, from: url, key }),
    from,
    until: theirNow - settlingMs,
    wait: ms => wait(ms),
  }).run();
}

/** Half of the budget is left to the mirror, which a server may be running. */
function within(requestsPerMinute: number, id: number, rows: MirrorRows, ask: Ask): Ask {
  const budget = { all: requestsPerMinute, patient: Math.ceil(requestsPerMinute / 2) };
  return async (question, signal) => {
    for (;;) {
      const fullForMs = await rows.spend(id, Date.now(), budget, true);
      if (fullForMs === undefined) return ask(question, signal);
      await wait(Math.min(fullForMs, 1000), undefined, { signal });
    }
  };
}
