import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { instant } from './support/fake-log.ts';
import { FakeSubject } from './support/fake-subject.ts';
import { messagesOf } from './support/messages.ts';

let subject: FakeSubject;

beforeAll(async () => {
  subject = await FakeSubject.start();
});

afterEach(async () => {
  await subject.closeTabs();
  subject.server.refusal = undefined;
  subject.server.unfinished = [];
  subject.server.exportPauseMs = 0;
});
afterAll(() => subject.end());

async function seeded(count: number, search = '') {
  const campaign = subject.campaign();
  const messages = messagesOf(campaign, count, Date.now());
  await subject.record(messages);
  const page = await subject.page(`?campaignReferenceId=${campaign}${search}`);
  return { campaign, messages, page };
}

const live = (page: Page) => page.getByRole('button', { name: 'Live', exact: true }).waitFor();
const reached = (page: Page) => expect.poll(() => page.locator('.reached').textContent(), { timeout: 8000 });
const destinations = (page: Page) => page.locator('#log tbody .cell-destination').allTextContents();

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
  test('a message that is recorded and then delivered → comes in on top and changes there', async () => {
    const { campaign, page } = await seeded(5);
    await live(page);
    const [message] = arrivals(campaign, 1);
    if (message === undefined) throw new Error('no message');
    await subject.record([message]);
    const first = page.locator('#row-0');
    await first.getByText('new-0').waitFor();
    await first.getByText('Pending').waitFor();
    await subject.record([{ messageId: message.messageId, status: { name: 'DELIVERED_TO_HANDSET' } }]);
    await first.getByText('Delivered').waitFor();
    await reached(page).toBe('6 messages, all of them');
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

  test('a connection that is lost → resumes with nothing missed and nothing twice', async () => {
    const { campaign, page } = await seeded(3);
    await live(page);
    await subject.record(arrivals(campaign, 2));
    await page.locator('#row-0').getByText('new-1').waitFor();
    await subject.server.close();
    await page.getByText('The server does not answer.').waitFor();
    for (const message of arrivals(campaign, 3, 2)) subject.server.take(message);
    await subject.server.listen();
    await page.locator('#row-0').getByText('new-4').waitFor();
    await page.getByText('The server does not answer.').waitFor({ state: 'detached' });
    const expected = ['new-4', 'new-3', 'new-2', 'new-1', 'new-0'];
    expect((await destinations(page)).slice(0, 5)).toEqual(expected);
    expect(new Set(await destinations(page)).size).toBe(8);
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
    expect(rows(readFileSync(await file.path(), 'utf8'))).toHaveLength(lines);
    await dialog.getByText('25 messages,').waitFor();
  });

  test('an export that takes long → shows how far it is, and stops when cancelled', async () => {
    const { page } = await seeded(500);
    subject.server.exportPauseMs = 20;
    await page.getByRole('button', { name: 'Export …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Export' });
    await dialog.getByRole('button', { name: 'Export' }).click();
    await dialog.getByText(/^[1-9]\d* of about 500 messages/).waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await dialog.getByRole('button', { name: 'Export' }).waitFor();
  });
});

describe('bad days', () => {
  test('figures that could not be finished → are called unknown, and never 0', async () => {
    subject.server.unfinished = ['total', 'groups', 'deliveryMs', 'prices', 'failures', 'buckets'];
    const { page } = await seeded(5);
    await page.getByText('Not everything could be counted in time.').waitFor();
    expect(new Set(await page.locator('.figures dd').allTextContents())).toEqual(new Set(['unknown']));
    await page.getByText('The course over time could not be counted in time.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('too many requests → counts down and goes on by itself', async () => {
    const { page } = await seeded(5);
    await page.locator('#row-4').waitFor();
    subject.server.rateLimit(2);
    await page.getByRole('radio', { name: '24 h' }).check({ force: true });
    await page.getByText(/Going on in \d s/).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    subject.server.refusal = undefined;
    await reached(page).toBe('5 messages, all of them');
    await page.getByText('Too many requests.').waitFor({ state: 'detached' });
  });

  test('a key that may not read → says so', async () => {
    subject.server.forbid();
    const page = await subject.page('');
    await page.getByText('This key may not read the log.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('a hostile message → stands there as text', async () => {
    const campaign = subject.campaign();
    const script = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
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
            elements: [{ title: script.repeat(500), imageUrl: 'javascript:document.title="owned"' }],
            buttons: [{ type: 'URL', title: 'A'.repeat(2_000_000), url: 'javascript:document.title="owned"' }, null, 7],
          },
        },
      },
    ]);
    const page = await subject.page(`?campaignReferenceId=${campaign}&open=${campaign}-evil`);
    const drawer = page.getByRole('complementary', { name: 'Message' });
    await drawer.getByText('URL → javascript:document.title="owned"').waitFor();
    expect(await page.locator('.drawer a, .drawer img, .drawer script, #log a, #log img').count()).toBe(0);
    await page.locator('#row-0').getByText('‹U+202E›4321').waitFor();
    expect(await page.title()).toBe('sentlog');
    expect((await drawer.locator('.content').textContent())?.length).toBeLessThan(20_000);
  });

  test('a message that is not there → says so', async () => {
    const page = await subject.page('?open=no-such-message');
    await page.getByText('The log has no such message.').waitFor();
  });
});
