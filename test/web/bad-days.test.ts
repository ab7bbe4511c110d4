import type { Page, Route } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { messagesOf } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

async function seeded(count: number) {
  const campaign = subject.campaign();
  await subject.record(messagesOf(campaign, count, Date.now()));
  return { campaign, search: `?campaignReferenceId=${campaign}` };
}

const reached = (page: Page) => expect.poll(() => page.locator('.reached').textContent());
const drawer = (page: Page) => page.getByRole('complementary', { name: 'Message' });

/** A tab whose answers of one kind are changed on their way: what no server of ours can be made to say. */
async function tampered(search: string, urls: RegExp, change: (route: Route) => Promise<void>): Promise<Page> {
  const page = await subject.tab();
  await page.route(urls, change);
  await page.goto(`${subject.url}/${search}#key=${subject.key}`);
  await page.getByRole('grid').waitFor();
  return page;
}

async function withJson(route: Route, change: (body: Record<string, unknown>) => Record<string, unknown>) {
  const response = await route.fetch();
  await route.fulfill({ response, json: change(await response.json()) });
}

describe('figures', () => {
  test('beside a time of which messages may be missing → say so and which, and tell no change', async () => {
    const { search } = await seeded(80);
    const gap = { from: '2026-01-01T10:00:00.000+0000', to: '2026-01-01T11:00:00.000+0000', reason: 'it was away' };
    const page = await tampered(`${search}&compare=yesterday`, /\/logs\/summary/, route =>
      withJson(route, ({ compared: _, ...own }) => ({
        ...own,
        compared: { ...own, total: 60, complete: false, gaps: [gap] },
      })),
    );
    await page.getByText(/^Messages from .* may be missing in what was before: it was away\./).waitFor();
    await page.getByText(/^Yesterday: .* to .*\.$/).waitFor();
    expect(await page.locator('.figures .before').first().textContent()).toBe('yesterday was 60');
    expect(await page.locator('.figures .before strong').count()).toBe(0);
    expect(await page.locator('.failures .before').count()).toBe(0);
    await page.getByLabel('Broken down by').selectOption('Senders');
    await page.getByRole('region', { name: 'Senders' }).waitFor();
    expect(await page.locator('.breakdown .before').count()).toBe(0);
  });

  test('that could not be finished → are called unknown, and never 0', async () => {
    const { search } = await seeded(5);
    const page = await tampered(search, /\/logs\/summary/, route =>
      withJson(route, ({ from, to, bucketMs }) => ({ from, to, bucketMs, complete: false, buckets: [] })),
    );
    await page.getByText('Not everything could be counted in time.').waitFor();
    expect(new Set(await page.locator('.figures dd').allTextContents())).toEqual(new Set(['unknown']));
    await page.getByText('What is grey could not be counted in time.').waitFor();
    await page.getByRole('img', { name: 'Messages over time: not counted in time' }).waitFor();
    expect(await page.getByText('Not known in time.').count()).toBe(3);
    expect(await axeViolations(page)).toEqual([]);
  });

  test('of the newest buckets alone → are shown for those, the rest is marked', async () => {
    const { search } = await seeded(5);
    const page = await tampered(search, /\/logs\/summary/, route =>
      withJson(route, ({ from, to, bucketMs, buckets }) => ({
        from,
        to,
        bucketMs,
        complete: false,
        buckets: Array.isArray(buckets) ? buckets.slice(-2) : [],
      })),
    );
    await page.getByText('What is grey could not be counted in time.').waitFor();
    await page.getByRole('img', { name: /delivered 4, pending 0, undeliverable 1/ }).waitFor();
  });

  test('that the server fails to give → say so, and the rows stand', async () => {
    const { search } = await seeded(5);
    const page = await tampered(search, /\/logs\/summary/, route => route.fulfill({ status: 500, body: '{}' }));
    await page.getByText('The figures could not be had').waitFor();
    await reached(page).toBe('5 messages, all of them');
    expect(new Set(await page.locator('.figures dd').allTextContents())).toEqual(new Set(['unknown']));
  });
});

describe('limits', () => {
  test('too many requests → counts down and goes on by itself', async () => {
    const { search } = await seeded(5);
    let refused = true;
    const page = await tampered(search, /\/messenger\/1\/logs\?/, route =>
      refused
        ? route.fulfill({ status: 429, headers: { 'retry-after': '2' }, json: { errorCode: 'E429' } })
        : route.continue(),
    );
    await page.getByText(/Going on in \d s/).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    refused = false;
    await reached(page).toBe('5 messages, all of them');
    await page.getByText('Too many requests.').waitFor({ state: 'detached' });
  });

  test("the account's budget for the page is used up → the same, in the server's own words", async () => {
    const strict = await Subject.start({ SENTLOG_PAGE_RATE_LIMIT: '2' });
    try {
      const page = await strict.page('');
      await page.getByText(/Too many requests. The server asks to wait. Going on in \d+ s./).waitFor();
      const logs = await fetch(`${strict.url}/messenger/1/logs`, { headers: { authorization: `App ${strict.key}` } });
      expect(logs.status).toBe(200);
    } finally {
      await strict.end();
    }
  });
});

describe('a hostile message', () => {
  const script = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';

  test('→ stands there as text, its links as what they are', async () => {
    const campaign = subject.campaign();
    await subject.record([
      {
        messageId: `${campaign}-evil`,
        sender: '\u202e4321',
        destination: script,
        campaignReferenceId: campaign,
        content: {
          type: 'TEMPLATE',
          payload: {
            type: 'GENERIC',
            text: `abc\u202e${script}`,
            elements: [{ title: script.repeat(100), imageUrl: 'javascript:document.title="owned"' }],
            buttons: [
              { type: 'URL', title: 'A'.repeat(40_000), url: 'javascript:document.title="owned"' },
              { type: 'URL', title: 'שלום', url: 'https://example.com/\u202egpj.exe' },
              null,
              7,
            ],
          },
        },
      },
    ]);
    const page = await subject.page(`?campaignReferenceId=${campaign}&open=${campaign}-evil`);
    await drawer(page).getByText('URL → javascript:document.title="owned"').waitFor();
    await drawer(page).getByText('URL → https://example.com/‹U+202E›gpj.exe').waitFor();
    expect(await page.locator('.drawer a, .drawer img, .drawer script, #log a, #log img').count()).toBe(0);
    await page.locator('#row-0').getByText('‹U+202E›4321').waitFor();
    await page.getByText('Raw JSON').click();
    expect(await axeViolations(page)).toEqual([]);
    expect(await page.title()).toBe('sentlog');
  });

  test('with megabytes in a name → is cut, and the page goes on', async () => {
    const { search, campaign } = await seeded(3);
    const page = await tampered(`${search}&open=${campaign}-000001`, /\/messenger\/1\/messages\//, route =>
      withJson(route, message => ({
        ...message,
        sender: 'S'.repeat(3_000_000),
        content: { type: 'TEXT', text: 'T'.repeat(3_000_000) },
      })),
    );
    await drawer(page).getByText('cut here; the copy has all of it').waitFor();
    expect((await drawer(page).textContent())?.length).toBeLessThan(20_000);
    await page.locator('#row-2').click();
    await drawer(page)
      .getByRole('heading', { name: `${campaign}-000002` })
      .waitFor();
  });
});

test('rows that cannot be read → said so, nothing is called loading, and asked for again when told to', async () => {
  const { search } = await seeded(5);
  let broken = true;
  const page = await tampered(search, /\/messenger\/1\/logs\?/, route =>
    broken ? route.fulfill({ status: 500, body: '{}' }) : route.continue(),
  );
  await page.getByText('The messages could not be read.').waitFor();
  await reached(page).toBe('Nothing could be loaded');
  broken = false;
  await page.getByRole('button', { name: 'Try again' }).click();
  await reached(page).toBe('5 messages, all of them');
});

test('a message that cannot be read → said so, and asked for again when told to', async () => {
  const { campaign, search } = await seeded(1);
  let broken = true;
  const page = await tampered(`${search}&open=${campaign}-000000`, /\/messenger\/1\/messages\//, route =>
    broken ? route.fulfill({ status: 500, body: '{}' }) : route.continue(),
  );
  await drawer(page).getByText('The message could not be read.').waitFor();
  broken = false;
  await drawer(page).getByRole('button', { name: 'Try again' }).click();
  await drawer(page).getByRole('heading', { name: 'Timeline' }).waitFor();
});

test('a message that is not there → says so', async () => {
  const page = await subject.page('?open=no-such-message');
  await page.getByText('The log has no such message.').waitFor();
  expect(await axeViolations(page)).toEqual([]);
});

test('an address that makes no sense → the page with what of it does', async () => {
  const page = await subject.page('?last=never&sentSince=yesterday&limit=7&generalStatus=LOST&sender=');
  await page.locator('.figures dd').first().waitFor();
  await expect.poll(() => page.getByRole('radio', { name: '48 h' }).isChecked()).toBe(true);
});
