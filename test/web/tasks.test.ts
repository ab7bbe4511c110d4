import { readFileSync } from 'node:fs';
import { readXlsx } from 'hucre/xlsx';
import type { BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { dayText, inputMoment, inputText } from '../../web/src/view/format.ts';
import { instant, type Submission } from './support/messages.ts';
import { Subject } from './support/subject.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const nowMs = Date.now();

/** A zone in which it is noon now: `Etc/GMT-3` is three hours before Greenwich. */
function zoneAtNoon(): string {
  const hoursAhead = 12 - new Date(nowMs).getUTCHours();
  return hoursAhead === 0 ? 'UTC' : `Etc/GMT${hoursAhead > 0 ? '-' : '+'}${Math.abs(hoursAhead)}`;
}
const noonZone = zoneAtNoon();

const blocked = { status: { name: 'UNDELIVERABLE_NOT_DELIVERED' }, error: { name: 'EC_BLOCKED_USER' } };
const absent = { status: { name: 'EXPIRED_EXPIRED' }, error: { name: 'EC_ABSENT_SUBSCRIBER' } };
const delivered = { status: { name: 'DELIVERED_TO_HANDSET' } };

let made = 0;
function messages(campaignReferenceId: string, sentMs: number, outcomes: readonly object[]): Submission[] {
  return outcomes.map((outcome, index) => {
    made += 1;
    return {
      // As the vendor makes them: too long for a number.
      messageId: `1795985313296${String(made).padStart(6, '0')}`,
      sender: '105873492110234',
      destination: `44770090${String(made).padStart(4, '0')}`,
      sentAt: instant(sentMs + index),
      doneAt: instant(sentMs + index + 1500),
      campaignReferenceId,
      price: { pricePerMessage: 0.0125, currency: 'EUR' },
      content: { type: 'TEXT', text: 'Hello' },
      ...outcome,
    };
  });
}

const times = (count: number, outcome: object) => Array.from({ length: count }, () => outcome);
const halfAnHourAgo = nowMs - 30 * minuteMs;
const now = [
  ...messages('spring-sale', halfAnHourAgo, [...times(6, blocked), ...times(2, absent), ...times(4, delivered)]),
  ...messages('welcome', halfAnHourAgo + 1000, times(3, delivered)),
];
const yesterday = messages('spring-sale', halfAnHourAgo - dayMs, [...times(2, blocked), ...times(5, delivered)]);

const berlin = 'Europe/Berlin';
const berlinDay = inputText(nowMs - dayMs, berlin).slice(0, 10);
const inBerlin = (time: string) => inputMoment(`${berlinDay}T${time}`, berlin) ?? Number.NaN;
const aroundFive = ['14:04:59', '14:05:00', '14:06:59', '14:07:00'].flatMap(time =>
  messages(`berlin ${time}`, inBerlin(time), [delivered]),
);

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start({ SENTLOG_RETENTION: '7d' });
  await subject.record([...now, ...yesterday, ...aroundFive]);
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

/** Somebody at the page, whose clicks are counted. What is typed or pasted costs none. */
class Visitor {
  readonly page: Page;
  clicks = 0;

  constructor(page: Page) {
    this.page = page;
  }

  static async arrive(options: BrowserContextOptions = {}): Promise<Visitor> {
    const viewport = { width: 1440, height: 900 };
    return new Visitor(await subject.page('', { timezoneId: noonZone, viewport, ...options }));
  }

  async click(what: Locator): Promise<void> {
    this.clicks += 1;
    await what.click();
  }

  /** Opens a list and clicks what is in it. */
  async choose(list: string, label: string): Promise<void> {
    this.clicks += 2;
    await this.page.getByLabel(list, { exact: true }).selectOption({ label });
  }

  async find(text: string): Promise<void> {
    await this.page.keyboard.press('/');
    await this.page.keyboard.insertText(text);
    await this.page.keyboard.press('Enter');
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  range(label: string): Locator {
    return this.page.locator('.ranges label').filter({ hasText: new RegExp(`^${label}$`) });
  }

  async reaches(text: string): Promise<void> {
    await expect.poll(() => this.page.locator('.reached').textContent()).toBe(text);
  }

  figure(name: string): Locator {
    return this.page.locator('.figures > div').filter({ hasText: name });
  }
}

test('words that somebody remembers → the message that has them, without a click', async () => {
  const [remembered] = messages('dessert', halfAnHourAgo, [delivered]);
  if (remembered === undefined) throw new Error('no message');
  await subject.record([{ ...remembered, content: { type: 'TEXT', text: 'Your crème brûlée is on its way' } }]);
  const visitor = await Visitor.arrive();
  await visitor.find('"BRULEE is on" creme');
  await visitor.button('Remove the filter Text').waitFor();
  await visitor.page.getByText(/^1 message\b/).waitFor();
  await visitor.page.getByRole('row').filter({ hasText: 'crème brûlée' }).waitFor();
  expect(new URL(visitor.page.url()).searchParams.get('text')).toBe('"BRULEE is on" creme');
  expect(visitor.clicks).toBe(0);
});

test('did this number get our message yesterday? → no click', async () => {
  const visitor = await Visitor.arrive();
  const [message] = yesterday.slice(-1);
  await visitor.find(`+${message?.destination}`);
  const row = visitor.page.locator('#row-0');
  await row.getByText('Delivered').waitFor();
  await row.getByText(dayText(halfAnHourAgo - dayMs, noonZone)).waitFor();
  await visitor.reaches('1 message');
  expect(visitor.clicks).toBe(0);
});

test('what failed most in the last hour, and is it more than usual? → three clicks; of which campaign, two more', async () => {
  const visitor = await Visitor.arrive();
  await visitor.click(visitor.range('1 h'));
  await visitor.choose('Compare with', 'Beside yesterday');
  const first = visitor.page.locator('.failures > div').first().getByRole('listitem').first();
  await expect.poll(() => first.textContent()).toBe('Blocked user, 6 (+200 %)');
  expect(visitor.clicks).toBe(3);
  await visitor.choose('Broken down by', 'Errors by campaign');
  const row = visitor.page.getByRole('region', { name: 'Errors by campaign' }).getByRole('row').nth(1);
  await expect
    .poll(() => row.getByRole('cell').allTextContents())
    .toEqual(['Blocked user', 'spring-sale', '6', '2 (+200 %)', '0.0750 EUR']);
  expect(visitor.clicks).toBe(5);
});

test('a link for a colleague → one click, and the colleague sees the same', async () => {
  const visitor = await Visitor.arrive({ permissions: ['clipboard-read', 'clipboard-write'] });
  await visitor.find('spring-sale');
  await visitor.reaches('19 messages, all of them');
  await visitor.click(visitor.button('Copy link'));
  await visitor.button('Copied').waitFor();
  const link = new URL(await visitor.page.evaluate<string>('navigator.clipboard.readText()'));
  const colleague = new Visitor(await subject.page(link.search));
  await colleague.reaches('19 messages, all of them');
  expect(visitor.clicks).toBe(1);
});

test("a campaign's failures into a spreadsheet → three clicks", async () => {
  const visitor = await Visitor.arrive();
  await visitor.find('spring-sale');
  await visitor.reaches('19 messages, all of them');
  await visitor.click(visitor.figure('Failed').getByRole('button'));
  await visitor.reaches('10 messages, all of them');
  const filters = visitor.page.getByRole('list', { name: 'Filters that are set' }).locator('.chip-value');
  expect(await filters.allTextContents()).toEqual(['spring-sale', 'UNDELIVERABLE', 'EXPIRED', 'REJECTED']);
  await visitor.click(visitor.button('Export …'));
  const download = visitor.page.waitForEvent('download');
  await visitor.click(visitor.page.getByRole('dialog').getByRole('button', { name: 'Export' }));
  const [sheet] = (await readXlsx(readFileSync(await (await download).path()))).sheets;
  expect(sheet?.rows).toHaveLength(11);
  expect(new Set(sheet?.rows.slice(1).map(row => row[4]))).toEqual(
    new Set(['UNDELIVERABLE_NOT_DELIVERED', 'EXPIRED_EXPIRED']),
  );
  expect(visitor.clicks).toBe(3);
});

test('watch one destination → no click, and what is sent to it comes in by itself', async () => {
  const visitor = await Visitor.arrive();
  const [message] = now;
  await visitor.find(String(message?.destination));
  await visitor.reaches('1 message');
  await visitor.page.getByRole('button', { name: 'Live', exact: true }).waitFor();
  const [another] = messages('welcome', Date.now(), [{ destination: message?.destination }]);
  if (another === undefined) throw new Error('no message');
  await subject.record([another]);
  await visitor.reaches('2 messages, all of them');
  await visitor.page.locator('#row-0').getByText('welcome').waitFor();
  expect(visitor.clicks).toBe(0);
});

test('today beside yesterday → three clicks: figures with what they were, and a second line in the chart', async () => {
  const visitor = await Visitor.arrive();
  await visitor.find('spring-sale');
  await visitor.reaches('19 messages, all of them');
  await visitor.click(visitor.range('Today'));
  await visitor.choose('Compare with', 'Beside yesterday');
  await expect
    .poll(() => visitor.figure('Messages').locator('dd').allTextContents())
    .toEqual(['12', 'yesterday was 7, +71 %']);
  expect(await visitor.figure('Failed').locator('.before').textContent()).toBe('yesterday was 2, 4 times as many');
  await visitor.page.getByText('The line: yesterday.').waitFor();
  // Over the bars of half an hour ago: what was a day before.
  const { x, y, width } = (await visitor.page.locator('.u-over').boundingBox()) ?? { x: 0, y: 0, width: 0 };
  const hovered = visitor.page.locator('.hovered');
  await expect
    .poll(async () => {
      const texts: string[] = [];
      for (let part = 1; part < 60; part++) {
        await visitor.page.mouse.move(x + (width * part) / 60, y + 40);
        texts.push((await hovered.textContent()) ?? '');
      }
      return texts.some(text => /; yesterday [1-9]/.test(text));
    })
    .toBe(true);
  expect(visitor.clicks).toBe(3);
});

test('14:05–14:07 in Berlin, from New York → four clicks', async () => {
  const visitor = await Visitor.arrive({ timezoneId: 'America/New_York' });
  await visitor.choose('Another time zone', berlin);
  await visitor.click(visitor.button('Range …'));
  await visitor.page.getByLabel('From').fill(`${berlinDay}T14:05`);
  await visitor.page.getByLabel('Until').fill(`${berlinDay}T14:07`);
  await visitor.click(visitor.button('Apply'));
  await visitor.reaches('2 messages, all of them');
  const shown = await visitor.page.locator('#log tbody .cell-campaign').allTextContents();
  expect(shown).toEqual(['berlin 14:06:59', 'berlin 14:05:00']);
  expect(await visitor.page.locator('#log tbody .cell-time').first().textContent()).toMatch(/14:06:59$/);
  expect(visitor.clicks).toBe(4);
});

test('cost by campaign → two clicks; by sender and campaign as many', async () => {
  const visitor = await Visitor.arrive();
  const cells = (table: string, name: string) =>
    visitor.page
      .getByRole('region', { name: table })
      .getByRole('row')
      .filter({ hasText: name })
      .getByRole('cell')
      .allTextContents();
  await visitor.choose('Broken down by', 'Campaigns');
  await expect
    .poll(() => cells('Campaigns', 'spring-sale'))
    .toEqual(['spring-sale', '19', '10 (52.6 %)', '0.2375 EUR', '≈ 1.5 s']);
  expect(visitor.clicks).toBe(2);
  await visitor.choose('Broken down by', 'Senders by campaign');
  await expect
    .poll(() => cells('Senders by campaign', 'spring-sale'))
    .toEqual(['105873492110234', 'spring-sale', '19', '10 (52.6 %)', '0.2375 EUR', '≈ 1.5 s']);
});

test('every status of one message, when each report came, and its raw JSON → one click', async () => {
  const [message] = messages('three-steps', nowMs - 10 * minuteMs, [{ doneAt: undefined }]);
  if (message === undefined) throw new Error('no message');
  const { messageId } = message;
  await subject.record([message]);
  const at = (ms: number) => instant(nowMs - 10 * minuteMs + ms);
  await subject.record([{ messageId, at: at(2000), status: { name: 'DELIVERED_TO_OPERATOR' } }]);
  await subject.record([{ messageId, at: at(4000), ...delivered }]);
  const visitor = await Visitor.arrive();
  await visitor.find(messageId);
  const drawer = visitor.page.getByRole('complementary', { name: 'Message' });
  await drawer.getByRole('heading', { name: 'Timeline' }).waitFor();
  const steps = drawer.locator('.timeline li');
  const names = ['PENDING_ACCEPTED', 'DELIVERED_TO_OPERATOR', 'DELIVERED_TO_HANDSET'];
  expect(await drawer.locator('.timeline .status + .code').allTextContents()).toEqual(names);
  const came = (await steps.locator('time').allTextContents()).filter((_, index) => index > 0 && index % 2 === 0);
  // Some ten minutes after they happened, each in turn.
  expect(came).toHaveLength(names.length);
  for (const one of came) expect(one).toMatch(/^\d\d:\d\d:\d\d\.\d{3}, (9|1\d) min \d+ s later$/);
  expect(came.toSorted()).toEqual(came);
  await visitor.click(drawer.getByText('Raw JSON'));
  const json = JSON.parse(await drawer.getByLabel('Raw JSON').inputValue());
  expect(json.timeline.map(({ status }: { status: { name: string } }) => status.name)).toEqual(names);
  expect(visitor.clicks).toBe(1);
});
