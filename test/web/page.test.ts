import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations, chartBox, greenAtTheEnd } from './support/browser.ts';
import { instant, messagesOf, type Submission } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

/** A page that shows the given number of messages, which nobody else has recorded. */
async function seeded(count: number, search = '', options = {}, everyMs = 60_000) {
  const campaign = subject.campaign();
  const messages = messagesOf(campaign, count, Date.now(), everyMs);
  await subject.record(messages);
  const page = await subject.page(`?campaignReferenceId=${campaign}${search}`, options);
  return { campaign, messages, page };
}

const row = (page: Page, text: string) => page.getByRole('row').filter({ hasText: text });
const rowsAt = (page: Page, index: number) => page.locator(`#row-${index}`);
const figure = (page: Page, name: string) => page.locator('.figures > div').filter({ hasText: name }).locator('dd');
const drawer = (page: Page) => page.getByRole('complementary', { name: 'Message' });
const idOf = (messages: readonly Submission[], index: number) => messages[index]?.messageId ?? '';
const dateFields = (page: Page) => [page.getByLabel('From'), page.getByLabel('Until')] as const;
const reached = (page: Page) => expect.poll(() => page.locator('.reached').textContent());

describe('find', () => {
  test('a pasted message id → its message, opened', async () => {
    const { page, messages } = await seeded(30);
    const id = idOf(messages, 7);
    await page.keyboard.press('/');
    await page.keyboard.insertText(id);
    await page.keyboard.press('Enter');
    await drawer(page).getByRole('heading', { name: id }).waitFor();
    expect(new URL(page.url()).searchParams.get('messageId')).toBe(id);
    await reached(page).toBe('1 message');
  });

  test.each([
    ['bulkId', 'Bulk id'],
    ['destination', 'Destination'],
    ['campaignReferenceId', 'Campaign'],
    ['entityId', 'Entity'],
  ])('a pasted %s → is recognised as one', async (field, label) => {
    const { page, messages } = await seeded(12);
    const value = String({ ...messages[3], ...Object(messages[3]?.platform) }[field]);
    await page.getByRole('combobox', { name: /Find/ }).fill(value);
    await page.getByRole('option', { name: `${label} in the log` }).waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => new URL(page.url()).searchParams.get(field)).toBe(value);
  });

  test('a text that the log does not know → says so, and looks for its words', async () => {
    const { page } = await seeded(3);
    await page.getByRole('combobox', { name: /Find/ }).fill('nobody-knows-this');
    await page.getByText('No message has “nobody-knows-this” as its message id, bulk id, destination').waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('No message matches.').waitFor();
  });

  test('the beginning of a campaign, words of an error → suggested while they are typed, and chosen by Enter', async () => {
    const { page, campaign } = await seeded(12);
    await reached(page).toBe('12 messages, all of them');
    const box = page.getByRole('combobox', { name: /Find/ });
    await box.fill(campaign.slice(0, -2));
    await page.getByRole('option', { name: `Campaign ${campaign}` }).waitFor();
    expect(new URL(page.url()).searchParams.has('last')).toBe(false);
    await box.press('Enter');
    // What is found is looked for whenever it was sent.
    await expect.poll(() => new URL(page.url()).searchParams.get('last')).toBe('all');
    expect(new URL(page.url()).searchParams.get('campaignReferenceId')).toBe(campaign);
    expect(await box.inputValue()).toBe('');
    await reached(page).toBe('12 messages, all of them');
    await box.fill('absent subscriber sm');
    await page.getByRole('option', { name: 'Error in the log' }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get('error')).toBe('EC_ABSENT_SUBSCRIBER_SM');
    await box.fill('rejec');
    await page.getByRole('option', { name: 'Status Rejected' }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get('generalStatus')).toBe('REJECTED');
    await box.fill('whatever');
    await page.getByRole('button', { name: 'Clear the search' }).click();
    expect(await box.inputValue()).toBe('');
  });

  test('a message id that a campaign begins with, and Enter at once → the message: the log is asked first', async () => {
    const { page, campaign, messages } = await seeded(12);
    await reached(page).toBe('12 messages, all of them');
    const messageId = campaign.slice(0, -2);
    await subject.record([{ ...messages[0], messageId }]);
    await page.keyboard.press('/');
    await page.keyboard.insertText(messageId);
    await page.keyboard.press('Enter');
    await expect.poll(() => new URL(page.url()).searchParams.get('messageId')).toBe(messageId);
  });

  test('every filter of the form → stands in the address and narrows the rows', async () => {
    const { page } = await seeded(40);
    await page.getByRole('button', { name: 'Filter …' }).click();
    const form = page.locator('.filter-form');
    await form.getByLabel('Sender').fill('105873492110234');
    await form.getByLabel('Status').selectOption('DELIVERED');
    await form.getByLabel('Entity').fill('harbour-coffee');
    await page.getByRole('button', { name: 'Apply' }).click();
    await reached(page).toBe('3 messages, all of them');
    const { searchParams } = new URL(page.url());
    expect(searchParams.get('generalStatus')).toBe('DELIVERED');
    expect(searchParams.get('entityId')).toBe('harbour-coffee');
    await page.getByRole('button', { name: 'Remove the filter Entity' }).click();
    await reached(page).not.toBe('3 messages, all of them');
  });

  test('the address of a view → shows another tab the same view, and back goes back', async () => {
    const { page } = await seeded(60, '', {}, 600_000);
    await page.getByRole('radio', { name: '6 h', exact: true }).check({ force: true });
    await reached(page).toBe('36 messages, all of them');
    await page.getByRole('radio', { name: 'UTC' }).check({ force: true });
    const { search } = new URL(page.url());
    const other = await subject.page(search);
    await reached(other).toBe('36 messages, all of them');
    expect(await other.getByRole('radio', { name: 'UTC' }).isChecked()).toBe(true);
    await other.getByRole('columnheader', { name: 'Time UTC' }).waitFor();
    await page.goBack();
    await reached(page).toBe('60 messages, all of them');
  });

  test('a range picked by hand, in UTC → asks for those moments, the end not included', async () => {
    const { page, messages } = await seeded(60, '&tz=utc');
    const moment = (index: number) => String(messages[index]?.sentAt).slice(0, 19);
    await page.getByRole('button', { name: 'Range …' }).click();
    const [from, until] = dateFields(page);
    await from.fill(moment(20));
    await until.fill(moment(10));
    await page.getByRole('button', { name: 'Apply' }).click();
    await reached(page).toBe('10 messages, all of them');
    expect(await page.getByRole('button', { name: 'Fixed', exact: true }).isDisabled()).toBe(true);
  });

  test('a drag over the chart → picks each bar that was touched, whole', async () => {
    const { page } = await seeded(60);
    const box = await chartBox(page);
    await page.mouse.move(box.x + box.width / 2, box.y + 40);
    await page.mouse.down();
    // Eleven and a half hours: between whole ones, so that a pixel more or less makes no difference.
    await page.mouse.move(box.x + box.width * (0.5 + 11.5 / 48.5), box.y + 40, { steps: 4 });
    await page.mouse.up();
    await expect.poll(() => new URL(page.url()).searchParams.has('sentSince')).toBe(true);
    const { searchParams } = new URL(page.url());
    const spanMs = Date.parse(searchParams.get('sentUntil') ?? '') - Date.parse(searchParams.get('sentSince') ?? '');
    // Of 48 or 49 bars, which are hours.
    expect(Date.parse(searchParams.get('sentSince') ?? '') % 3_600_000).toBe(0);
    expect([12, 13]).toContain(spanMs / 3_600_000);
  });

  test('a message of the newest minutes → its bar is drawn, named under the pointer, and its hour at a click', async () => {
    const { page } = await seeded(1);
    await reached(page).toBe('1 message');
    await expect.poll(() => greenAtTheEnd(page)).toBe(true);
    const box = await chartBox(page);
    // Two days of bars that are hours: it is in the last one, or in the one before when an hour has just begun.
    const [last = 0, before = 0] = [0.5, 1.5].map(bars => box.x + box.width - (box.width * bars) / 49);
    let at = before;
    const hovered = async () => {
      at = at === last ? before : last;
      await page.mouse.move(at, box.y + 40);
      return page.locator('.hovered').textContent();
    };
    await expect.poll(hovered).toMatch(/: delivered 1$/);
    await page.mouse.click(at, box.y + 40);
    await expect.poll(() => new URL(page.url()).searchParams.has('sentUntil')).toBe(true);
    const { searchParams } = new URL(page.url());
    const [since, until] = ['sentSince', 'sentUntil'].map(name => Date.parse(searchParams.get(name) ?? ''));
    // In Tokyo, whose hours begin when those of UTC do.
    expect([(since ?? 1) % 3_600_000, (until ?? 0) - (since ?? 0)]).toEqual([0, 3_600_000]);
    await reached(page).toBe('1 message');
  });

  test('a link with a status that there is not → no filter is named, and none holds', async () => {
    const { page } = await seeded(3, '&generalStatus=DELIVERD');
    await reached(page).toBe('3 messages, all of them');
    expect(await page.getByRole('button', { name: 'Remove the filter Status' }).count()).toBe(0);
    await page.getByText('The address asks for what cannot be looked for: generalStatus=DELIVERD.').waitFor();
  });

  test('local time → UTC at a click, in every row', async () => {
    const { page, messages } = await seeded(3);
    const sentAt = String(messages[0]?.sentAt);
    // `Sun, 29 Nov 2026 20:33:34 GMT`
    const shown = (ms: number) => new Date(ms).toUTCString().replace(/^\w+, (\d+ \w+) \d+ ([\d:]+).*/, '$1 $2');
    const utc = shown(Date.parse(sentAt));
    const tokyo = shown(Date.parse(sentAt) + 9 * 3_600_000);
    await rowsAt(page, 0).getByText(tokyo).waitFor();
    await page.getByRole('columnheader', { name: 'Time Tokyo' }).waitFor();
    await page.getByRole('radio', { name: 'UTC' }).check({ force: true });
    await rowsAt(page, 0).getByText(utc).waitFor();
  });
});

describe('read', () => {
  test('a message → every status with its time, its content, what it cost', async () => {
    const { page, messages } = await seeded(8);
    const id = idOf(messages, 1);
    await subject.record([{ messageId: id, at: instant(Date.now()), status: { name: 'DELIVERED_TO_HANDSET' } }]);
    await row(page, String(messages[1]?.destination)).click();
    const box = drawer(page);
    await box.getByText('Ravi, how was your visit in Oslo?').waitFor();
    await box.getByText('URL → https://www.example.com/feedback/77').waitFor();
    expect(await box.locator('.timeline li').count()).toBeGreaterThanOrEqual(2);
    expect(await box.locator('.facts').textContent()).toContain('0.094 SEK each');
  });

  test('a comment → what it carries, by its type', async () => {
    const { page, campaign, messages } = await seeded(1);
    const content = { type: 'COMMENT', content: { type: 'TEXT', text: 'We have it in blue, too.' } };
    const destination = '447700901234';
    await subject.record([{ ...messages[0], messageId: `${campaign}-comment`, destination, content }]);
    await row(page, destination).getByText('comment: We have it in blue, too.').waitFor();
    await row(page, destination).click();
    await drawer(page).locator('.content .content').getByText('We have it in blue, too.').waitFor();
  });

  test('same bulk, same destination, same error → their messages', async () => {
    const { page, messages } = await seeded(40);
    await row(page, String(messages[4]?.destination)).click();
    await drawer(page).getByRole('button', { name: 'Same bulk' }).click();
    await reached(page).toBe('10 messages, all of them');
    await drawer(page).getByRole('button', { name: 'Same destination' }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get('destination')).toBe(messages[4]?.destination);
    await drawer(page).getByRole('button', { name: 'Same error' }).click();
    await expect.poll(() => new URL(page.url()).searchParams.get('error')).toBe('EC_ABSENT_SUBSCRIBER');
    expect(new URL(page.url()).searchParams.get('generalStatus')).toBe('UNDELIVERABLE');
  });

  test('copies → the whole JSON, and a command without the key', async () => {
    const { page, messages } = await seeded(3, '', { permissions: ['clipboard-read', 'clipboard-write'] });
    await row(page, String(messages[2]?.destination)).click();
    const clipboard = () => page.evaluate<string>('navigator.clipboard.readText()');
    await drawer(page).getByRole('button', { name: 'Copy as JSON' }).click();
    await drawer(page).getByRole('button', { name: 'Copied' }).waitFor();
    expect(JSON.parse(await clipboard())).toMatchObject({ messageId: idOf(messages, 2) });
    expect(await clipboard()).toContain('"price": {\n');
    await drawer(page).getByRole('button', { name: 'Copy as cURL' }).click();
    await expect.poll(clipboard).toContain('curl ');
    expect(await clipboard()).toContain(`/messenger/1/messages/${idOf(messages, 2)}`);
    expect(await clipboard()).not.toContain(subject.key);
  });
});

describe('see', () => {
  test('figures → are those of what is filtered', async () => {
    const { page } = await seeded(80);
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe('80');
    expect(await figure(page, 'Delivered').textContent()).toBe('50.0 %, 40');
    expect(await figure(page, 'Pending').textContent()).toBe('10, 12.5 %');
    expect(await figure(page, 'Failed').textContent()).toBe('30, 37.5 %');
    expect(await figure(page, 'Cost').textContent()).toContain('0.2520 EUR');
  });

  test('what failed most → is a click away from its messages', async () => {
    const { page } = await seeded(80);
    await page.getByRole('button', { name: /^Absent subscriber sm/ }).click();
    await reached(page).toBe('10 messages, all of them');
    expect(await row(page, 'Undeliverable').count()).toBe(0);
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe('10');
  });

  test('an error, all that failed, what a sender did not send → rows and figures of that alone', async () => {
    const { page, messages } = await seeded(80, '&error=EC_ABSENT_SUBSCRIBER');
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe('10');
    await page.getByRole('button', { name: 'Remove the filter Error' }).click();
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe('80');
    await page.getByTitle('Show what failed').click();
    await reached(page).toBe('30 messages, all of them');
    await page.locator('#row-0').click();
    await drawer(page).getByRole('button', { name: 'Not this sender' }).click();
    const sender = messages[4]?.sender;
    await expect.poll(() => new URL(page.url()).searchParams.get('sender[not]')).toBe(sender);
    const failed = messages.filter((_, index) => [4, 5, 6].includes(index % 8));
    const left = failed.filter(one => one.sender !== sender).length;
    await reached(page).toBe(`${left} messages, all of them`);
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe(String(left));
    await page.getByRole('button', { name: 'Remove the filter Sender not' }).click();
    await reached(page).toBe('30 messages, all of them');
  });

  test('a status of the legend, left out before → filters by it, and again not', async () => {
    const { page } = await seeded(80, '&generalStatus%5Bnot%5D=REJECTED');
    await reached(page).toBe('70 messages, all of them');
    await page.getByRole('button', { name: /^Rejected/ }).click();
    await reached(page).toBe('10 messages, all of them');
    // The others still say how many they are.
    await page.getByRole('button', { name: /^Delivered ?, 40$/ }).waitFor();
    await expect.poll(() => figure(page, 'Messages').textContent()).toBe('10');
    expect(await figure(page, 'Pending').textContent()).toBe('10, 12.5 %');
    await page.getByRole('button', { name: /^Rejected/ }).click();
    await reached(page).toBe('80 messages, all of them');
  });

  test('columns → are chosen, and remembered after a reload', async () => {
    const { page } = await seeded(3);
    await page.getByText('Columns', { exact: true }).click();
    await page.getByRole('checkbox', { name: 'Bulk id' }).check();
    await page.getByRole('checkbox', { name: 'Content' }).uncheck();
    await page.goto(`${page.url()}&live=off#key=${subject.key}`);
    await page.getByRole('columnheader', { name: 'Bulk id' }).waitFor();
    expect(await page.getByRole('columnheader', { name: 'Content' }).count()).toBe(0);
  });

  test('scrolling far down → every row comes once, and few are in the document', async () => {
    const { page, messages } = await seeded(1500);
    await page.getByRole('grid').focus();
    const seen = new Set<string>();
    while (!(await page.getByText('That is all.').isVisible())) {
      await page.keyboard.press('End');
      await page.waitForTimeout(30);
    }
    await reached(page).toBe('1,500 messages, all of them');
    await page.keyboard.press('End');
    await row(page, String(messages[1499]?.destination)).waitFor();
    for (const text of await page.locator('#log tbody .cell-destination').allTextContents()) seen.add(text);
    expect(seen.size).toBe(await page.locator('#log tbody tr').count());
    expect(seen.size).toBeLessThan(100);
  });
});

test('more rows than a browser can lay out → says so, and goes on from there', async () => {
  const campaign = subject.campaign();
  await subject.record(messagesOf(campaign, 300, Date.now()));
  const page = await subject.tab();
  const tallest = 'Object.defineProperty(HTMLElement.prototype, "offsetHeight", { get: () => 30 * 250 })';
  await page.addInitScript(`addEventListener('DOMContentLoaded', () => { ${tallest} })`);
  await page.goto(`${subject.url}/?campaignReferenceId=${campaign}#key=${subject.key}`);
  await rowsAt(page, 0).waitFor();
  await page.getByRole('grid').focus();
  await page.keyboard.press('End');
  await page.getByRole('button', { name: /^Go on from / }).click();
  await reached(page).toMatch(/^(15[0-2]|200) messages/);
  await row(page, `${messagesOf(campaign, 150, 0)[149]?.destination}`).waitFor();
});

describe('for everyone', () => {
  test.each([
    ['light', { colorScheme: 'light', viewport: { width: 1440, height: 900 } }],
    ['dark', { colorScheme: 'dark', viewport: { width: 1440, height: 900 } }],
    ['a phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
    ['a dark phone', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }],
  ] as const)('%s → no violation in axe, nothing wider than the screen', async (_, options) => {
    const { page, messages } = await seeded(40, '', options);
    await rowsAt(page, 0).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
      options.viewport.width,
    );
    await page.getByRole('button', { name: 'Filter …' }).click();
    expect(await axeViolations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await row(page, String(messages[5]?.destination)).click();
    await drawer(page).getByRole('heading', { name: 'Timeline' }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('arrows and Enter → open a message; Escape closes it and leaves the table ready', async () => {
    const { page, messages } = await seeded(20);
    await rowsAt(page, 0).waitFor();
    await page.getByRole('grid').focus();
    for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
    await drawer(page)
      .getByRole('heading', { name: idOf(messages, 2) })
      .waitFor();
    await page.keyboard.press('ArrowDown');
    await drawer(page)
      .getByRole('heading', { name: idOf(messages, 3) })
      .waitFor();
    await page.keyboard.press('Escape');
    await drawer(page).waitFor({ state: 'detached' });
    expect(await page.evaluate<string>('document.activeElement.id')).toBe('log');
  });

  test('? → help, Escape → gone', async () => {
    const { page } = await seeded(1);
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Help' }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Help' }).waitFor({ state: 'detached' });
  });

  test('a view that nothing matches → says so and offers the way out', async () => {
    const page = await subject.page(`?campaignReferenceId=${subject.campaign()}`);
    await page.getByText('No message matches.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Clear the filters' }).click();
    await expect.poll(() => new URL(page.url()).search).toBe('');
  });
});
