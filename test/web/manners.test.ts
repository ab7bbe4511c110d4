import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { instant, messagesOf } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
});

afterEach(() => subject.closeTabs());
afterAll(() => subject.end());

const drawer = (page: Page) => page.getByRole('complementary', { name: 'Message' });
const dialog = (page: Page) => page.getByRole('dialog');
const isGone = (page: Page, selector: string) => page.locator(selector).waitFor({ state: 'detached' });

async function seeded(count: number, options = {}, search = '') {
  const campaign = subject.campaign();
  const messages = messagesOf(campaign, count, Date.now());
  await subject.record(messages);
  const page = await subject.page(`?campaignReferenceId=${campaign}${search}`, options);
  await page.locator('#row-0').waitFor();
  return { campaign, messages, page };
}

describe('what lies over the page', () => {
  const openers = [
    ['Filter …', '.filter-form'],
    ['Range …', '.range-form'],
  ] as const;

  test.each(openers)(
    '%s → closed by Escape wherever the focus is, and the message below stays open',
    async (name, form) => {
      const { page } = await seeded(3);
      await page.locator('#row-1').click();
      await drawer(page).waitFor();
      const opener = page.getByRole('button', { name });
      await opener.click();
      await page.locator(form).waitFor();
      await opener.focus();
      await page.keyboard.press('Escape');
      await isGone(page, form);
      expect(await drawer(page).isVisible()).toBe(true);
      expect(await page.evaluate<string>('document.activeElement.textContent')).toBe(name);
      await page.keyboard.press('Escape');
      await drawer(page).waitFor({ state: 'detached' });
    },
  );

  test.each(openers)('%s → closed by a click elsewhere, by its button, and by a dialog', async (name, form) => {
    const { page } = await seeded(3);
    const open = async () => {
      await page.getByRole('button', { name }).click();
      await page.locator(form).waitFor();
    };
    await open();
    await page.locator('.reached').click();
    await isGone(page, form);
    await open();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await isGone(page, form);
    await open();
    await page.evaluate(`document.querySelector('[aria-label="Help"]').click()`);
    await dialog(page).waitFor();
    await isGone(page, form);
  });

  test('the choice of columns → closed by a click elsewhere', async () => {
    const { page } = await seeded(3);
    await page.getByText('Columns', { exact: true }).click();
    await page.getByRole('checkbox', { name: 'Sender' }).waitFor();
    await page.locator('.reached').click();
    await page.getByRole('checkbox', { name: 'Sender' }).waitFor({ state: 'hidden' });
  });
});

test.each([
  [1440, 900],
  [1024, 768],
  [390, 844],
])('a double click on a row at %d × %d → opens the message and does nothing else', async (width, height) => {
  const { page, messages } = await seeded(30, { viewport: { width, height } });
  for (const index of [0, 1, 2]) {
    const box = await page.locator(`#row-${index}`).boundingBox();
    if (box === null) throw new Error('the row is not on screen');
    const before = new URL(page.url()).searchParams;
    for (const part of [0.15, 0.5, 0.85]) {
      await page.mouse.dblclick(box.x + Math.min(box.width, width) * part, box.y + box.height / 2);
      await drawer(page)
        .getByRole('heading', { name: messages[index]?.messageId ?? '' })
        .waitFor();
      const { searchParams } = new URL(page.url());
      expect(searchParams.get('open')).toBe(messages[index]?.messageId);
      searchParams.delete('open');
      expect(searchParams.toString()).toBe(before.toString());
      await drawer(page).getByRole('button', { name: 'Close the message' }).click();
      await drawer(page).waitFor({ state: 'detached' });
    }
  }
});

test('a copied link → names the moments that its range meant, for whoever opens it later', async () => {
  const { page, campaign } = await seeded(3, { permissions: ['clipboard-read', 'clipboard-write'] }, '&last=1h');
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
  expect(Math.abs(spanMs - 3_600_000)).toBeLessThanOrEqual(60_000);
});

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
  for (const [index, words] of ['before it was sent', 'when is not known', 'no final report yet'].entries()) {
    await page.locator(`#row-${index}`).click();
    await outcome.getByText(words).waitFor();
  }
  expect(await page.locator('#row-0 .cell-delivery').textContent()).toBe('before it was sent');
});
