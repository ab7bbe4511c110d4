import { readFileSync } from 'node:fs';
import { readXlsx } from 'hucre/xlsx';
import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { instant, messagesOf } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

async function seeded(count: number, search = '', everyMs = 60_000) {
  const campaign = subject.campaign();
  const messages = messagesOf(campaign, count, Date.now(), everyMs);
  await subject.record(messages);
  const page = await subject.page(`?campaignReferenceId=${campaign}${search}`);
  return { campaign, messages, page };
}

const live = (page: Page) => page.getByRole('button', { name: 'Live', exact: true }).waitFor();
const reached = (page: Page) => expect.poll(() => page.locator('.reached').textContent());
const destinations = (page: Page) => page.locator('#log tbody .cell-destination').allTextContents();
const gone = (page: Page) => page.getByText('The server does not answer.');

/** New messages of a campaign, sent now, one after the other. */
function arrivals(campaign: string, count: number, from = 0) {
  return Array.from({ length: count }, (_, index) => ({
    messageId: `${campaign}-new-${from + index}`,
    sender: '105873492110234',
    destination: `new-${from + index}`,
    campaignReferenceId: campaign,
    sentAt: instant(Date.now() + from + index),
    content: { type: 'TEXT', text: 'just now' },
  }));
}

describe('watch', () => {
  test('a stream that is slow to connect → moves no row when it does, and nothing moves while it is live', async () => {
    const { page } = await seeded(5);
    await page.setViewportSize({ width: 1024, height: 768 });
    const first = async () => {
      await expect.poll(() => page.locator('.figures dd').first().textContent()).toBe('5');
      return page.locator('#row-0').boundingBox();
    };
    await first();
    const held = Promise.withResolvers<void>();
    await page.route('**/messenger/1/logs/stream*', route => held.promise.then(() => route.continue()));
    await page.reload();
    await page.getByRole('button', { name: 'Live …' }).waitFor();
    const before = await first();
    held.resolve();
    await live(page);
    expect(await first()).toEqual(before);
    // What moves for ever is drawn sixty times a second, as long as somebody has the page open.
    await expect.poll(() => page.evaluate<number>('document.getAnimations().length')).toBe(0);
  });

  test('a message that is recorded and then delivered → comes in on top and changes there, its figures too', async () => {
    const { campaign, page } = await seeded(5);
    await live(page);
    const [message] = arrivals(campaign, 1);
    if (message === undefined) throw new Error('no message');
    await subject.record([message]);
    const first = page.locator('#row-0');
    await first.getByText('new-0').waitFor();
    await first.getByText('Pending').waitFor();
    await first.click();
    await subject.record([{ messageId: message.messageId, status: { name: 'DELIVERED_TO_HANDSET' } }]);
    await first.getByText('Delivered').waitFor();
    await page.getByRole('complementary', { name: 'Message' }).getByText('DELIVERED_TO_HANDSET').waitFor();
    await reached(page).toBe('6 messages, all of them');
    const messages = page.locator('.figures > div').filter({ hasText: 'Messages' }).locator('dd');
    await expect.poll(() => messages.textContent()).toBe('6');
  });

  test('messages that come one after the other → all are in the figures, which are asked for far less often', async () => {
    const campaign = subject.campaign();
    const [first] = messagesOf(campaign, 1, Date.now());
    await subject.record(first === undefined ? [] : [first]);
    const page = await subject.tab();
    // Figures are renewed by what comes alone: what would happen every five seconds never does.
    await page.addInitScript(
      'const timed = setInterval; window.setInterval = (work, ms, ...rest) => (ms >= 5000 ? 0 : timed(work, ms, ...rest));',
    );
    let asked = 0;
    page.on('request', request => {
      if (request.url().includes('/messenger/1/logs/summary')) asked += 1;
    });
    await page.goto(`${subject.url}/?campaignReferenceId=${campaign}#key=${encodeURIComponent(subject.key)}`);
    await live(page);
    const total = page.locator('.figures > div').filter({ hasText: 'Messages' }).locator('dd');
    await expect.poll(() => total.textContent()).toBe('1');
    const before = asked;
    for (const message of arrivals(campaign, 60)) await subject.record([message]);
    await expect.poll(() => total.textContent()).toBe('61');
    expect(asked - before).toBeLessThan(40);
    const settled = asked;
    await subject.record([{ messageId: `${campaign}-new-7`, status: { name: 'REJECTED_DND' } }]);
    const failed = page.locator('.figures > div').filter({ hasText: 'Failed' }).locator('dd');
    await expect.poll(() => failed.textContent()).toMatch(/^1/);
    expect(asked - settled).toBeLessThanOrEqual(2);
  });

  test('an open message that changes while it is being read → is read again, not shown as it was', async () => {
    const { messages, page } = await seeded(12);
    await live(page);
    const messageId = messages[7]?.messageId ?? '';
    const changed = Promise.withResolvers<void>();
    await page.route(
      /\/messenger\/1\/messages\//,
      async route => {
        const response = await route.fetch();
        await changed.promise;
        // The page may have given up on it by then.
        await route.fulfill({ response }).catch(() => undefined);
      },
      { times: 1 },
    );
    await page.locator('#row-7').click();
    await page.getByText('Loading …').waitFor();
    await subject.record([{ messageId, status: { name: 'EXPIRED_EXPIRED' } }]);
    await page.locator('#row-7').getByText('Expired').waitFor();
    changed.resolve();
    await page.getByRole('complementary', { name: 'Message' }).getByText('EXPIRED_EXPIRED').waitFor();
  });

  test('a row far down that changes → changes where it is', async () => {
    const { messages, page } = await seeded(12);
    await live(page);
    const messageId = messages[7]?.messageId ?? '';
    await page.locator('#row-7').getByText('Pending').waitFor();
    await subject.record([{ messageId, status: { name: 'EXPIRED_EXPIRED' } }]);
    await page.locator('#row-7').getByText('Expired').waitFor();
  });

  test('scrolled down → the rows stand still, what arrives is counted, and a click shows it', async () => {
    const { campaign, page } = await seeded(150);
    await live(page);
    await reached(page).toBe('150 messages, all of them');
    await page.evaluate('document.querySelector(".scroller").scrollTop = 1500');
    await expect.poll(() => page.locator('#row-50').count()).toBe(1);
    const before = await destinations(page);
    await subject.record(arrivals(campaign, 7));
    await page.getByRole('button', { name: '7 new' }).waitFor();
    expect(await destinations(page)).toEqual(before);
    await page.getByRole('button', { name: '7 new' }).click();
    await page.locator('#row-0').getByText('new-6').waitFor();
    await reached(page).toBe('157 messages, all of them');
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'the server ends by %s and comes back → a calm banner meanwhile that moves no row, then nothing missed and nothing twice',
    async signal => {
      const { campaign, page } = await seeded(3);
      await live(page);
      await subject.record(arrivals(campaign, 2));
      await page.locator('#row-0').getByText('new-1').waitFor();
      const before = await page.locator('#row-0').boundingBox();
      await subject.stop(signal);
      await gone(page).waitFor();
      expect(await page.locator('#row-0').boundingBox()).toEqual(before);
      expect(await axeViolations(page)).toEqual([]);
      await subject.restart();
      await subject.record(arrivals(campaign, 3, 2));
      await page.locator('#row-0').getByText('new-4').waitFor();
      await gone(page).waitFor({ state: 'detached' });
      const expected = ['new-4', 'new-3', 'new-2', 'new-1', 'new-0'];
      expect((await destinations(page)).slice(0, 5)).toEqual(expected);
      expect(new Set(await destinations(page)).size).toBe(8);
    },
  );

  test('a page that cannot keep up → is cut off by the server, and shows everything all the same', async () => {
    const { campaign, page } = await seeded(3);
    await live(page);
    // Nothing of the page runs until the answer comes.
    const thaw = Promise.withResolvers<void>();
    await page.route(/\/frozen$/, async route => {
      await thaw.promise;
      await route.fulfill({ status: 204 });
    });
    const frozen = page.evaluate(
      "{ const call = new XMLHttpRequest(); call.open('GET', '/frozen', false); call.send(); }",
    );
    const text = 'x'.repeat(6000);
    const flood = arrivals(campaign, 4000).map(one => ({ ...one, content: { type: 'TEXT', text } }));
    await subject.record(flood);
    const dropped = async () => {
      const metrics = await (await fetch(`${subject.url}/metrics`)).text();
      return Number(/^sentlog_stream_dropped_total (\d+)/m.exec(metrics)?.[1]);
    };
    await expect.poll(dropped).toBeGreaterThan(0);
    thaw.resolve();
    await frozen;
    await page.locator('#row-0').getByText('new-3999').waitFor();
    const total = page.locator('.figures > div').filter({ hasText: 'Messages' }).locator('dd');
    await expect.poll(() => total.textContent()).toBe('4,003');
  });

  test('paused → nothing moves', async () => {
    const { campaign, page } = await seeded(3, '&live=off');
    await page.locator('#row-2').waitFor();
    await subject.record(arrivals(campaign, 1));
    await page.waitForTimeout(400);
    await reached(page).toBe('3 messages, all of them');
    await page.getByRole('button', { name: 'Paused' }).click();
    await page.locator('#row-0').getByText('new-0').waitFor();
  });
});

describe('take away', () => {
  const rows = (text: string) => text.trim().split('\n');

  test.each([
    ['NDJSON', 'ndjson', 25],
    ['CSV', 'csv', 26],
    ['Excel', 'xlsx', 26],
  ])('%s → a file with every message of the filter', async (label, format, lines) => {
    const { page } = await seeded(25);
    await page.getByRole('button', { name: 'Export …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Export' });
    expect(await axeViolations(page)).toEqual([]);
    await dialog.getByRole('radio', { name: label }).check({ force: true });
    const download = page.waitForEvent('download');
    await dialog.getByRole('button', { name: 'Export' }).click();
    const file = await download;
    expect(file.suggestedFilename()).toMatch(new RegExp(`^sentlog-.*\\.${format}$`));
    const bytes = readFileSync(await file.path());
    const read = format === 'xlsx' ? (await readXlsx(bytes)).sheets[0]?.rows : rows(bytes.toString());
    expect(read).toHaveLength(lines);
    await dialog.getByText('25 messages,').waitFor();
  });

  test('an export over a slow line → shows how far it is, and stops when cancelled', async () => {
    const { page } = await seeded(5000, '', 1000);
    const figures = page.locator('.figures dd').first();
    await expect.poll(() => figures.textContent()).toBe('5,000');
    const line = await page.context().newCDPSession(page);
    await line.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      uploadThroughput: -1,
      downloadThroughput: 40_000,
    });
    await page.getByRole('button', { name: 'Export …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Export' });
    await dialog.getByRole('button', { name: 'Export' }).click();
    await dialog.getByText(/^[1-9][\d,]* of about 5,000 messages/).waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.getByRole('button', { name: 'Export' }).waitFor();
  });
});
