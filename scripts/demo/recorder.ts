import type { Arrival } from './traffic.ts';

/** What the log said to the records it was sent. */
export type Tally = {
  readonly recorded: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly rejected: number;
  /** The first thing the log found wrong, in its words. */
  readonly firstRejection?: string;
};

export const emptyTally: Tally = { recorded: 0, updated: 0, unchanged: 0, rejected: 0 };

export function add(a: Tally, b: Tally): Tally {
  const firstRejection = a.firstRejection ?? b.firstRejection;
  return {
    recorded: a.recorded + b.recorded,
    updated: a.updated + b.updated,
    unchanged: a.unchanged + b.unchanged,
    rejected: a.rejected + b.rejected,
    ...(firstRejection !== undefined && { firstRejection }),
  };
}

/** Posts records to a running log as any program would. */
export type Recorder = (arrivals: readonly Arrival[]) => Promise<Tally>;

export type Surroundings = {
  readonly fetch: typeof fetch;
  readonly wait: (ms: number) => Promise<void>;
};

const recordsPerRequest = 20_000;

/** A busy log is asked again when it says; anything else it refuses is an error. */
export function recorder(address: string, key: string, { fetch, wait }: Surroundings): Recorder {
  const post = async (body: string): Promise<Response> => {
    for (;;) {
      const response = await fetch(`${address}/messenger/1/logs`, {
        method: 'POST',
        headers: { authorization: `App ${key}`, 'content-type': 'application/x-ndjson' },
        body,
      });
      if (response.status !== 429 && response.status !== 503) return response;
      await response.arrayBuffer();
      await wait(Number(response.headers.get('retry-after') ?? 1) * 1000);
    }
  };
  return async arrivals => {
    let tally = emptyTally;
    for (let start = 0; start < arrivals.length; start += recordsPerRequest) {
      const part = arrivals.slice(start, start + recordsPerRequest);
      const response = await post(part.map(one => `${JSON.stringify(one.record)}\n`).join(''));
      tally = add(tally, tallyOf(response.status, await response.text(), part.length));
    }
    return tally;
  };
}

function tallyOf(status: number, text: string, sent: number): Tally {
  // A batch of which nothing was accepted comes back as an error, though each record was judged alone.
  if (status === 400) return { ...emptyTally, rejected: sent, firstRejection: text };
  if (status !== 200) throw new Error(`the log answered ${status}: ${text}`);
  const answer: unknown = JSON.parse(text);
  if (typeof answer !== 'object' || answer === null) throw new Error(`the log answered ${text}`);
  const count = (name: string) => {
    const value: unknown = Reflect.get(answer, name);
    return typeof value === 'number' ? value : 0;
  };
  const rejected: unknown = Reflect.get(answer, 'rejected');
  const rejections: readonly unknown[] = Array.isArray(rejected) ? rejected : [];
  return {
    recorded: count('recorded'),
    updated: count('updated'),
    unchanged: count('unchanged'),
    rejected: rejections.length,
    ...(rejections.length > 0 && { firstRejection: JSON.stringify(rejections[0]) }),
  };
}
