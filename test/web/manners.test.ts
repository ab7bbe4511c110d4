import type { Page } from 'playwright-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { instant, messagesOf } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

const drawer = (page: Page) => page.getByRole('complementary', { name: 'Message' });
const dialog = (page: Page) => page.getByRole('dialog');
const isGone = (page: Page, selector: string) => page.locator(selector).waitFor({ state: 'hidden' });

async function seeded(count: number, options = {}, search = '') {
  const campaign = subject.campaign();
  const messages = messagesOf(campaign, count, Date.now());
  await subject.record(messages);
  const page = await subject.page(`?campaignReferenceId=${campaign}${search}`, options);
  await page.locator('#row-0').waitFor();
  return { campaign, messages, page };
}

/** Figures and what failed are there: rows move no more by themselves. */
async function settled(page: Page, count: number): Promise<void> {
  await expect.poll(() => page.locator('.figures dd').first().textContent()).toBe(String(count));
  if ((await page.locator('.overview details[open]').count()) === 0) return;
  await page.locator('.failures button').first().waitFor();
  await page.locator('.u-over').waitFor();
}

async function boxOf(page: Page, selector: string) {
  const box = await page.locator(selector).boundingBox();
  if (box === null) throw new Error(`${selector} is not on screen`);
  return box;
}

test.each([
  [1440, 900],
  [1280, 800],
  [1024, 768],
  [390, 844],
])(
  'a double click on a row at %d × %d → opens the message, moves no row and does nothing else',
  async (width, height) => {
    const { page, messages } = await seeded(30, { viewport: { width, height } });
    await settled(page, 30);
    for (const index of [0, 1, 2]) {
      const box = await boxOf(page, `#row-${index}`);
      const before = new URL(page.url()).searchParams;
      for (const name of ['time', 'content', 'campaign']) {
        // Not where a cell offers what can be done with it once somebody has pointed at it for a while.
        await page.locator(`#row-${index} .cell-${name}`).dblclick({ position: { x: 8, y: 8 } });
        await drawer(page)
          .getByRole('heading', { name: messages[index]?.messageId ?? '' })
          .waitFor();
        expect((await boxOf(page, `#row-${index}`)).y).toBe(box.y);
        const { searchParams } = new URL(page.url());
        expect(searchParams.get('open')).toBe(messages[index]?.messageId);
        searchParams.delete('open');
        expect(searchParams.toString()).toBe(before.toString());
        await drawer(page).getByRole('button', { name: 'Close the message' }).click();
        await drawer(page).waitFor({ state: 'detached' });
      }
    }
    if (width <= 720) return;
    // A slow one: what a cell offers lies under the pointer by then.
    const sender = '#row-0 .cell-sender';
    const pointTo = async (selector: string) => {
      const { x, y, width, height } = await boxOf(page, selector);
      await page.mouse.move(x + width / 2, y + height / 2);
    };
    await pointTo(sender);
    await page.mouse.down();
    await page.mouse.up();
    await drawer(page).waitFor();
    const before = new URL(page.url()).search;
    await page.mouse.move(5, 5); // What lies under the pointer has changed without it.
    await pointTo(sender);
    const only = `${sender} [aria-label="Only this sender"]`;
    await page.locator(only).waitFor({ state: 'attached' });
    // It takes no pointer before it is to be seen.
    await page.evaluate(
      `Promise.all(document.querySelector('${sender} .narrow').getAnimations().map(one => one.finished)).then(() => undefined)`,
    );
    await pointTo(only);
    await page.mouse.down({ clickCount: 2 });
    await page.mouse.up({ clickCount: 2 });
    expect(new URL(page.url()).search).toBe(before);
  },
);

test.each([
  [1024, 768],
  [1280, 800],
  [1440, 900],
])(
  'a message open at %d × %d → half of the height is rows, also below the chart, which stays unfolded; all figures can be seen',
  async (width, height) => {
    const viewport = { width, height };
    const { page } = await seeded(30, { viewport });
    await settled(page, 30);
    const rowsHeight = async () => (await boxOf(page, '.table-box')).height;
    const cost = page.locator('.figures > div').filter({ hasText: 'Cost' });
    /** Whether it lies whole in the part of the overview that is in sight. */
    const isCostInSight = async () => {
      const [{ y, height }, overview] = [
        await boxOf(page, '.figures > div:last-child'),
        await boxOf(page, '.overview'),
      ];
      return y >= overview.y && y + height <= overview.y + overview.height;
    };
    const unfolded = page.locator('.overview details[open]');
    expect(await unfolded.count()).toBe(width === 1024 ? 0 : 1);
    expect(await rowsHeight()).toBeGreaterThanOrEqual(height / 2);
    await page.locator('#row-0').click();
    await drawer(page).waitFor();
    expect(await rowsHeight()).toBeGreaterThanOrEqual(height / 2);
    // What there is no room for is said to be there.
    const more = page.getByRole('button', { name: 'More ↓' });
    if (!(await isCostInSight())) await more.waitFor();
    if ((await unfolded.count()) === 0) await page.getByText('Over time, and what failed most').click();
    await unfolded.waitFor();
    await settled(page, 30);
    expect(await rowsHeight()).toBeGreaterThanOrEqual(height / 2);
    expect(await page.getByRole('button', { name: 'Filter …' }).isVisible()).toBe(true);
    await more.click();
    await more.waitFor({ state: 'detached' });
    await cost.scrollIntoViewIfNeeded();
    await more.waitFor();
    await page.reload();
    await unfolded.waitFor();
  },
);

test.each([
  ['all', 48 * 3_600_000],
  ['1h', 3_600_000],
])(
  'a copied link of %s → names the moments that its range meant, for whoever opens it later',
  async (last, lengthMs) => {
    const { page, campaign } = await seeded(3, { permissions: ['clipboard-read', 'clipboard-write'] }, `&last=${last}`);
    const nowMs = Date.now();
    await page.getByRole('button', { name: 'Copy link' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const link = new URL(await page.evaluate<string>('navigator.clipboard.readText()'));
    expect(link.hash).toBe('');
    expect(link.searchParams.get('campaignReferenceId')).toBe(campaign);
    expect(link.searchParams.has('last')).toBe(false);
    const untilMs = Date.parse(link.searchParams.get('sentUntil') ?? '');
    expect(untilMs).toBeGreaterThanOrEqual(nowMs);
    const spanMs = untilMs - Date.parse(link.searchParams.get('sentSince') ?? '');
    expect(Math.abs(spanMs - lengthMs)).toBeLessThanOrEqual(60_000);
  },
);

test('a receipt from before the message was sent, a final one without a time → said in words', async () => {
  const campaign = subject.campaign();
  const sentMs = Date.now() - 600_000;
  const message = {
    sender: 's',
    destination: 'd',
    campaignReferenceId: campaign,
    content: { type: 'TEXT', text: 't' },
  };
  const status = { name: 'DELIVERED_TO_HANDSET' };
  await subject.record([
    {
      ...message,
      messageId: `${campaign}-early`,
      sentAt: instant(sentMs),
      doneAt: instant(sentMs - 3_000_000),
      status,
    },
    { ...message, messageId: `${campaign}-timeless`, sentAt: instant(sentMs - 1), status },
    { ...message, messageId: `${campaign}-pending`, sentAt: instant(sentMs - 2) },
  ]);
  const page = await subject.page(`?campaignReferenceId=${campaign}`);
  const outcome = page.locator('.outcome');
  const ends = ['before it was sent', 'at a time that was not reported', 'no final report yet'];
  for (const [index, words] of ends.entries()) {
    await page.locator(`#row-${index}`).click();
    await outcome.getByText(words).waitFor();
    expect(await page.locator('.timeline').innerText()).toContain(['before it was sent', words, 'at once'][index]);
  }
  expect(await page.locator('#row-0 .cell-delivery').textContent()).toBe('before it was sent');
});

test('messages that come while nobody sees the tab → counted in its title until somebody does', async () => {
  const { page, campaign, messages } = await seeded(3);
  const see = (state: 'visible' | 'hidden') =>
    page.evaluate(`{
      Object.defineProperty(document, 'visibilityState', { get: () => '${state}', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }`);
  const arrivals = [{}, { status: { name: 'REJECTED_DND' } }].map((state, index) => {
    const { status: _, doneAt: __, ...message } = Object(messages[0]);
    return { ...message, ...state, messageId: `${campaign}-unseen-${index}`, sentAt: instant(Date.now()) };
  });
  expect(await page.title()).toBe('sentlog');
  await see('hidden');
  await subject.record(arrivals);
  await expect.poll(() => page.title()).toBe('(2 new, 1 failed) sentlog');
  await see('visible');
  await expect.poll(() => page.title()).toBe('sentlog');
  await expect.poll(() => page.locator('.reached').textContent()).toBe('5 messages, all of them');
});

test.each([1440, 1024, 390])(
  'campaigns that begin alike, at %d pixels → told apart wherever they stand, and whole in their title',
  async width => {
    const name = `${subject.campaign()}-for-everybody-in-the-north`;
    const names = [`${name}-1`, `${name}-2`];
    const failed = { status: { name: 'REJECTED_DND' } };
    const records = names.flatMap((campaignReferenceId, index) =>
      messagesOf(campaignReferenceId, 1, Date.now() - index).map(one => ({ ...one, ...failed })),
    );
    await subject.record(records);
    const search = new URLSearchParams(names.map(one => ['campaignReferenceId', one]));
    const page = await subject.page(`?${search}`, { viewport: { width, height: 900 } });
    await page.locator('#row-1').waitFor();
    if ((await page.locator('.overview details[open]').count()) === 0)
      await page.getByText('Over time, and what failed most').click();
    const failures = page.locator('.failures > div').filter({ hasText: 'By campaign' });
    await failures.getByRole('button', { name: new RegExp(`${name}-2 ?, 1`) }).waitFor();
    for (const place of ['#log .cell-campaign', '.failures > div:last-child'])
      expect(
        await page.evaluate<unknown>(`[...document.querySelectorAll('${place} .cut')].map(cut => {
          const endPx = parseFloat(getComputedStyle(cut, '::after').width);
          const isInSight = endPx > 5 && endPx < cut.clientWidth && cut.scrollWidth <= cut.clientWidth + 1;
          return [cut.title, isInSight && cut.dataset.end];
        }).toSorted()`),
      ).toEqual(names.map(one => [one, one.slice(-5)]));
  },
);

/** What a ring of focus is cut by or hidden from, by the name of what has it; and of how many the ring is whole. */
async function rings(page: Page): Promise<{ readonly broken: readonly string[]; readonly whole: number }> {
  await page.evaluate('document.activeElement.blur(); window.scrollTo(0, 0)');
  const broken: string[] = [];
  let whole = 0;
  for (let steps = 0; steps < 150; steps += 1) {
    await page.keyboard.press('Tab');
    const fault = await page.evaluate<string | null>(`(() => {
      const focused = document.activeElement;
      if (focused === document.body) return null;
      const name = (focused.getAttribute('aria-label') ?? focused.textContent).slice(0, 40);
      // The table's stands around what is in sight of it.
      const around = focused.closest('.table-box');
      const ringed = [focused, focused.nextElementSibling].find(one => one && getComputedStyle(one).outlineStyle !== 'none')
        ?? (around && getComputedStyle(around, '::after').outlineStyle !== 'none' ? around : undefined);
      if (ringed === undefined) return name + ': none';
      const { outlineWidth, outlineOffset } = getComputedStyle(ringed);
      const out = parseFloat(outlineWidth) + parseFloat(outlineOffset);
      const { left, top, right, bottom } = ringed.getBoundingClientRect();
      for (let around = ringed.parentElement; around !== null; around = around.parentElement) {
        const isRoot = around === document.documentElement;
        if (!isRoot && getComputedStyle(around).overflow === 'visible') continue;
        const box = isRoot ? new DOMRect(0, 0, innerWidth, innerHeight) : around.getBoundingClientRect();
        const room = Math.min(left - box.left, top - box.top, box.right - right, box.bottom - bottom) - out;
        if (room < -0.01) return name + ': cut by ' + (around.className || around.tagName);
      }
      return '';
    })()`);
    if (fault === null) return { broken, whole };
    if (fault === '') whole += 1;
    else broken.push(fault);
  }
  throw new Error('the focus never leaves the page');
}

test.each([
  [1440, 900],
  [1024, 768],
  [390, 844],
])('the focus, wherever it goes at %d × %d → has its whole ring', async (width, height) => {
  const { page } = await seeded(8, { viewport: { width, height } }, '&generalStatus=UNDELIVERABLE');
  await page.locator('#row-0').click();
  await drawer(page).getByText('Raw JSON').waitFor();
  const { broken, whole } = await rings(page);
  expect(broken).toEqual([]);
  expect(whole).toBeGreaterThan(20);
});

test('forced colours → each status has the colour of its legend in the chart, and what is chosen has a frame', async () => {
  const { page } = await seeded(30, { forcedColors: 'active' });
  await settled(page, 30);
  const missing = () =>
    page.evaluate<string[]>(`(() => {
      const canvas = document.querySelector('.plot canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const painted = new Set();
      for (let at = 0; at < data.length; at += 4) painted.add('rgb(' + data.slice(at, at + 3).join(', ') + ')');
      return [...document.querySelectorAll('.legend .swatch')]
        .map(swatch => getComputedStyle(swatch).backgroundColor)
        .filter(colour => !painted.has(colour));
    })()`);
  expect(await page.locator('.legend .swatch').count()).toBe(5);
  await expect.poll(missing).toEqual([]);
  const frame = (selector: string) =>
    page.evaluate<string>(`getComputedStyle(document.querySelector('${selector}')).outlineStyle`);
  expect(await frame('.ranges input:checked + span')).toBe('solid');
  expect(await frame('.ranges input:not(:checked) + span')).toBe('none');
});

test('figures that stand side by side → apart in the accessibility tree as well', async () => {
  const { page, campaign } = await seeded(8);
  await expect.poll(() => page.locator('.figures dd').first().textContent()).toBe('8');
  const tree = await page.getByRole('region', { name: 'Overview' }).ariaSnapshot();
  expect(tree).toMatch(/Delivered ?, 4/);
  // Neither `50.0 %4` nor `Delivered4`.
  expect(tree.replaceAll(campaign, '').match(/[\p{L}%]\d/gu)).toBeNull();
});

test('a screen that is touched → no keys are told, and all that lies over the page can be left', async () => {
  const { page } = await seeded(3, { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  expect(await page.locator('kbd:visible').count()).toBe(0);
  await page.getByRole('button', { name: 'Help' }).tap();
  await dialog(page).waitFor();
  expect(await page.locator('kbd:visible').count()).toBe(0);
  await dialog(page).getByRole('button', { name: 'Close' }).tap();
  await dialog(page).waitFor({ state: 'detached' });
  await page.getByRole('combobox', { name: /Find/ }).fill('x');
  await page.getByRole('listbox').waitFor();
  await page.getByRole('button', { name: 'Clear the search' }).tap();
  await page.getByRole('listbox').waitFor({ state: 'detached' });
  for (const name of ['Filter …', 'Range …']) {
    await page.getByRole('button', { name }).tap();
    await page.getByRole('button', { name: 'Cancel' }).tap();
    await isGone(page, '.filter-form');
  }
  await page.locator('#row-0').tap();
  await drawer(page).getByRole('button', { name: 'Not this sender' }).waitFor();
  await drawer(page).getByRole('button', { name: 'Close the message' }).tap();
  await drawer(page).waitFor({ state: 'detached' });
});

test('a cell → the messages that have its value, those that have not, those from its time on; no row moves', async () => {
  const { page, messages } = await seeded(12);
  const tops = new Set<number>();
  const shown = async (count: number) => {
    await expect.poll(() => page.locator('.reached').textContent()).toMatch(new RegExp(`^${count} message`));
    await settled(page, count);
    tops.add((await boxOf(page, '#row-0')).y);
  };
  const press = async (column: string, name: string) => {
    const cell = page.locator(`#row-4 .cell-${column}`);
    await cell.hover();
    const button = cell.getByRole('button', { name });
    await button.waitFor();
    // A click before that is meant for the row.
    await page.evaluate('Promise.all(document.querySelector("td .narrow").getAnimations().map(one => one.finished))');
    await button.click();
  };
  const asked = (name: string) => new URL(page.url()).searchParams.get(name);
  await shown(12);
  await press('sender', 'Not this sender');
  await shown(8);
  expect(asked('sender[not]')).toBe(messages[4]?.sender);
  await page.goBack();
  await shown(12);
  await press('error', 'Only this error');
  await shown(1);
  expect(asked('error')).toBe('EC_ABSENT_SUBSCRIBER');
  await page.goBack();
  await shown(12);
  await press('time', 'From this time on');
  await shown(5);
  expect(await drawer(page).count()).toBe(0);
  expect(tops.size).toBe(1);
});

test('a word for how it went → the filter by status that it means', async () => {
  const { page } = await seeded(12);
  const box = page.getByRole('combobox', { name: /Find/ });
  await box.fill('failed');
  await page.getByRole('option', { name: 'Status Undeliverable, Expired, Rejected' }).waitFor();
  await box.press('Enter');
  const statuses = () => new URL(page.url()).searchParams.getAll('generalStatus');
  await expect.poll(statuses).toEqual(['UNDELIVERABLE', 'EXPIRED', 'REJECTED']);
  await box.fill('DELIVERED_TO_HANDSET');
  await page.getByRole('option', { name: 'Status Delivered' }).click();
  await expect.poll(statuses).toEqual(['DELIVERED']);
});

test('an address written as the API takes it → all of it is asked for, and stands among the filters', async () => {
  const asked = '&generalStatus=UNDELIVERABLE,EXPIRED&errorName[not]=EC_ABSENT_SUBSCRIBER_SM';
  const { page } = await seeded(8, { viewport: { width: 1024, height: 768 } }, asked);
  await expect.poll(() => page.locator('.reached').textContent()).toBe('1 message');
  const filters = page.getByRole('list', { name: 'Filters that are set' }).locator('.chip-value');
  expect((await filters.allTextContents()).slice(1)).toEqual(['UNDELIVERABLE', 'EXPIRED', 'EC_ABSENT_SUBSCRIBER_SM']);
  // In one line.
  expect((await boxOf(page, '.chips')).height).toBe((await boxOf(page, '.chip-clear')).height);
});
