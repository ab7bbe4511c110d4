/**
 * What somebody writes who has types made of `/openapi.json`. Compiled against them, and run against a server, by
 * `test/http/typed-client.test.ts`, which makes `openapi.d.ts`.
 */
import createClient from 'openapi-fetch';
import type { components, paths } from './openapi.d.ts';

const [, , baseUrl = '', key = ''] = process.argv;
const client = createClient<paths>({ baseUrl, headers: { authorization: `App ${key}` } });

const message: components['schemas']['MessageSubmission'] = {
  messageId: 'typed-1',
  sender: '44113496000',
  destination: '66855538125',
  content: { type: 'TEXT', text: 'Hello' },
  price: { pricePerMessage: 12.345678901, currency: 'EUR' },
  campaignReferenceId: 'summer',
};
const report: components['schemas']['ReportSubmission'] = {
  messageId: 'typed-1',
  status: { name: 'DELIVERED_TO_HANDSET' },
};

const recorded = await client.POST('/messenger/1/logs', { body: { results: [message, report] } });
const page = await client.GET('/messenger/1/logs', {
  params: {
    query: { sender: '44113496000', generalStatus: ['DELIVERED'], 'errorName[not]': ['EC_BLOCKED_USER'], limit: 10 },
  },
});
const history = await client.GET('/messenger/1/messages/{messageId}', { params: { path: { messageId: 'typed-1' } } });
const summary = await client.GET('/messenger/1/logs/summary', {
  params: { query: { by: ['campaignReferenceId'] } },
});
const refused = await client.GET('/messenger/1/logs', { params: { query: { limit: 1001 } } });

const [log] = page.data?.results ?? [];
const text: unknown = log?.content.text;
const price: number | undefined = log?.price?.pricePerMessage;
process.stdout.write(
  JSON.stringify({
    recorded: recorded.data?.recorded,
    rejected: recorded.data?.rejected.length,
    text,
    price,
    status: log?.status.name,
    timeline: history.data?.timeline.map(entry => entry.status.name),
    campaign: summary.data?.breakdown?.rows[0]?.campaignReferenceId,
    violations: refused.error?.violations.map(({ property }) => property),
  }),
);
