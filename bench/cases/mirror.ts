import { MadeLog } from '../mirror/made-log.ts';
import { serveUpstream } from '../mirror/upstream.ts';
import { floodWebhooks, postWebhooks, webhookBodies } from '../mirror/webhooks.ts';
import { bySize, type Case, serving } from './case.ts';

const minuteMs = 60_000;
/** The other side keeps 48 hours, and what is about to leave is not waited for. */
const pastMs = 47 * 60 * minuteMs;
const requestsPerMinute = 60;
const pageMessages = 1_000;

/**
 * A mirror beside a simulated Infobip, on a clock that is put forward from request to request; webhooks alone are posted
 * as time passes. The comparator keeps the same log in one SQLite file by reading all of it over and over.
 */
export const mirror: Case = {
  name: 'mirror',
  title: 'A mirror at 500 messages a second and 60 requests a minute, beside a loop that reads all of it again',
  logs: 'none',
  drivers: ['sentlog', 'plain-sqlite'],
  messages: ({ mirror: { past } }, driver) => bySize(driver, past),
  figures: [
    { name: 'pages', title: 'catching up: pages read, times those that hold it', unit: '', target: { atMost: 1.1 } },
    {
      name: 'catch-up',
      title: 'catching up: requests of all kinds, times those pages',
      unit: '',
      target: { atMost: 1.1 },
    },
    { name: 'lag', title: 'following: from sent to kept, p99', unit: 's', target: { atMost: 60 } },
    { name: 'final', title: 'from a final status to its being kept, by polling, p99', unit: 's' },
    { name: 'final-most', title: 'the same, most', unit: 's', target: { atMost: 90 } },
    { name: 'late', title: 'share of final statuses kept later than 90 s, or not', unit: '', target: { atMost: 0 } },
    { name: 'requests', title: 'requests a minute', unit: '', target: { atMost: requestsPerMinute } },
    { name: 'kept', title: 'messages kept', unit: '/s' },
    { name: 'cpu', title: 'CPU of one core for a second of traffic', unit: 'ms', target: { atMost: 100 } },
    { name: 'webhook-p50', title: '500 webhooks a second: from posted to durable, p50', unit: 'ms' },
    { name: 'webhook', title: 'the same, p99', unit: 'ms', target: { atMost: 1_000 } },
    { name: 'webhooks', title: 'webhooks as fast as they are answered, durable', unit: '/s' },
  ],
  run: trial =>
    serving(trial, async server => {
      const { messagesPerS, followMinutes, warmUpMinutes, ...webhookSizes } = trial.sizes.mirror;
      const { webhooksPerS, webhookSeconds, webhooksAtOnce } = webhookSizes;
      const { seed, messages: past, firstSentAt, spanMs } = trial.shape;
      const followMs = followMinutes * minuteMs;
      // Those of the webhooks and of the time before the last look too.
      const live = Math.ceil((messagesPerS * (followMs + minuteMs)) / 1000);
      const traffic = { seed, past, pastMs, startsAt: firstSentAt + spanMs, messagesPerS, live };
      const log = new MadeLog(traffic);
      const upstream = await serveUpstream(log, traffic);
      try {
        const plan = { upstream: upstream.url, traffic, requestsPerMinute, followMs };
        const { mirrored } = await server.ask(
          { kind: 'mirror', plan: { ...plan, warmUpMs: warmUpMinutes * minuteMs } },
          'mirrored',
        );
        log.liveFrom = mirrored.liveFrom;
        const timed = webhooksPerS * webhookSeconds;
        const bodies = webhookBodies(log, mirrored, timed + webhooksAtOnce);
        const url = new URL(mirrored.webhookPath, `http://127.0.0.1:${server.port}`);
        const webhooks = await postWebhooks(url, bodies.slice(0, timed), webhooksPerS);
        const flood = await floodWebhooks(url, bodies.slice(timed));
        const pages = Math.ceil(past / pageMessages);
        return {
          figures: {
            pages: mirrored.catchUpPages / pages,
            'catch-up': mirrored.catchUpRequests / pages,
            lag: mirrored.lagP99Ms / 1000,
            final: mirrored.finalP99Ms / 1000,
            'final-most': mirrored.finalMaxMs / 1000,
            late: mirrored.lateFinals,
            requests: mirrored.requestsPerMinute,
            kept: mirrored.kept,
            cpu: mirrored.cpuShare * 1000,
            'webhook-p50': webhooks.p50,
            webhook: webhooks.p99,
            webhooks: flood,
          },
        };
      } finally {
        await upstream.close();
      }
    }),
};
