import { afterEach, expect, test } from 'vitest';
import type { MirrorFigures } from '../../src/mirror/figures.ts';
import type { Gap } from '../../src/mirror/place.ts';
import { startOfTest, summaryPath, TestServer } from '../support/http-server.ts';

const hour = 3_600_000;
const reason = 'it left before it could be read';
const at = (ms: number) => encodeURIComponent(new Date(startOfTest + ms).toISOString());

let server: TestServer;
afterEach(() => server.app.close());

const figures: MirrorFigures = {
  mirror: {
    id: 1,
    name: 'm',
    account: 1,
    from: 'https://x',
    sealedKey: 'hidden',
    requestsPerMinute: 60,
    sinceMs: hour,
    createdAt: 0,
  },
  state: 'following',
  lagMs: 1500,
  statusLagMs: 400_500,
  statusesLate: 34,
  skewMs: 0,
  requestsUsed: 12,
  requestsLeft: 48,
  followed: 7,
  gaps: [{ from: startOfTest - 3 * hour, until: startOfTest - 2 * hour, reason }],
  recorded: 100,
  changed: 50,
  refused: 0,
  flawed: 0,
  unsettled: 2,
};

const mirrors = {
  figures: () => [figures],
  gaps: (account: number): readonly Gap[] => (account === 1 ? figures.gaps : []),
};

test('a summary that covers a gap → not complete, with the gap; one beside it or of another account → complete', async () => {
  server = new TestServer({ mirrors });
  const asked = async (query: string, authorization = 'App one') =>
    (await server.call(`${summaryPath}?${query}`, { headers: { authorization } })).json();
  const gap = { from: '2023-02-02T09:00:00.000+0000', to: '2023-02-02T10:00:00.000+0000', reason };
  expect(await asked('')).toMatchObject({ complete: false, total: 0, gaps: [gap] });
  expect(await asked(`sentSince=${at(-4 * hour)}&sentUntil=${at(-3 * hour + 1)}`)).toMatchObject({
    complete: false,
    gaps: [gap],
  });
  for (const range of [`sentSince=${at(-2 * hour)}`, `sentUntil=${at(-3 * hour)}`]) {
    const summary = await asked(range);
    expect(summary.complete).toBe(true);
    expect(summary).not.toHaveProperty('gaps');
  }
  expect(await asked('', 'App two')).toMatchObject({ complete: true });
});

test('/metrics → every figure of each mirror, and never its key', async () => {
  server = new TestServer({ mirrors: { ...mirrors, figures: () => [{ ...figures, restsUntil: 1_700_000_000_500 }] } });
  for (let twice = 0; twice < 2; twice++) {
    const { body } = await server.call('/metrics');
    for (const line of [
      'running{mirror="1"} 1',
      'in_trouble{mirror="1"} 0',
      'lag_seconds{mirror="1"} 1.5',
      'status_lag_seconds{mirror="1"} 400.5',
      'late_messages{mirror="1"} 34',
      'rests_until_timestamp_seconds{mirror="1"} 1700000000.5',
      'requests_used{mirror="1"} 12',
      'requests_left{mirror="1"} 48',
      'pending_messages{mirror="1"} 7',
      'gaps{mirror="1"} 1',
      'gap_seconds{mirror="1"} 3600',
      'recorded_total{mirror="1"} 100',
      'changed_total{mirror="1"} 50',
      'refused_total{mirror="1"} 0',
      'unsettled_total{mirror="1"} 2',
    ])
      expect(body.split('\n')).toContain(`sentlog_mirror_${line}`);
    expect(body).not.toContain('hidden');
  }
});

test('/health/ready → how many mirrors are behind, and with the token which and why', async () => {
  const token = 'a-token-of-the-operator-that-is-long-enough';
  const upToDate = { ...figures, mirror: { ...figures.mirror, name: 'fine' }, statusesLate: 0 };
  const refused = {
    ...upToDate,
    mirror: { ...figures.mirror, name: 'p' },
    state: 'paused',
    reason: 'refused',
  } as const;
  server = new TestServer({
    mirrors: { ...mirrors, figures: () => [figures, upToDate, refused] },
    metricsTokens: [token],
  });
  expect((await server.call('/health/ready')).json()).toEqual({ status: 'ready', damaged: 0, mirrorsBehind: 2 });
  const { details } = (await server.call('/health/ready', { headers: { authorization: `Bearer ${token}` } })).json();
  expect(details.mirrorsBehind).toEqual([
    { mirror: 'm', reason: expect.stringMatching(/not asked for in the last 90 s: 34, the longest for 7 min/) },
    { mirror: 'p', reason: 'paused: refused' },
  ]);
});
