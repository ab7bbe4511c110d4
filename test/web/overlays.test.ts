import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { messagesOf } from './support/messages.ts';
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

async function seeded(count: number): Promise<Page> {
  const campaign = subject.campaign();
  await subject.record(messagesOf(campaign, count, Date.now()));
  const page = await subject.page(`?campaignReferenceId=${campaign}`);
  await page.locator('#row-0').waitFor();
  return page;
}

describe('what lies over the page', () => {
  const openers = [
    ['Filter …', '.filter-form'],
    ['Range …', '.range-form'],
  ] as const;

  test.each(openers)(
    '%s → closed by Escape wherever the focus is, and the message below stays open',
    async (name, form) => {
      const page = await seeded(3);
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
    const page = await seeded(3);
    const open = async () => {
      await page.getByRole('button', { name }).click();
      await page.locator(form).waitFor();
    };
    await open();
    await page.locator('.head').click({ position: { x: 2, y: 2 } });
    await isGone(page, form);
    await open();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await isGone(page, form);
    await open();
    await page.evaluate(`document.querySelector('[aria-label="Help"]').click()`);
    await dialog(page).waitFor();
    await isGone(page, form);
  });

  /** What opens a dialog, without a click that would be one elsewhere, and without taking the focus by it. */
  const dialogs = [
    ['Help', (page: Page) => page.evaluate(`document.querySelector('[aria-label="Help"]').click()`)],
    [
      'Export',
      (page: Page) =>
        page.evaluate(
          `[...document.querySelectorAll('.table-bar button')].find(one => one.textContent === 'Export …').click()`,
        ),
    ],
    ['The link does not work', (page: Page) => page.evaluate("location.hash = 'key=nobody-knows-it'")],
  ] as const;
  const popovers = [...openers, ['Columns', '.menu fieldset']] as const;

  test('anything that lies over the page, any dialog → leaves before it, and is there again afterwards with what was written', async () => {
    const page = await seeded(3);
    for (const [name, content] of popovers)
      for (const [title, openDialog] of dialogs) {
        await page.getByRole('button', { name }).click();
        await page.locator(content).waitFor();
        if (name === 'Filter …') await page.getByLabel('Sender', { exact: true }).fill('half of a numb');
        await page.evaluate('document.activeElement.blur()');
        await openDialog(page);
        await page.getByRole('dialog', { name: title }).waitFor();
        expect(await page.locator(content).isVisible()).toBe(false);
        // Nothing is lost by a click outside, which closes it.
        await page.mouse.click(3, 300);
        await dialog(page).waitFor({ state: 'detached' });
        await page.getByRole('button', { name }).click();
        await page.locator(content).waitFor();
        if (name === 'Filter …')
          expect(await page.getByLabel('Sender', { exact: true }).inputValue()).toBe('half of a numb');
        await page.keyboard.press('Escape');
        await page.locator(content).waitFor({ state: 'detached' });
      }
    // Escape was meant.
    await page.getByRole('button', { name: 'Filter …' }).click();
    expect(await page.getByLabel('Sender', { exact: true }).inputValue()).toBe('');
    // What the log would refuse leaves the form where it is.
    await page.getByLabel('Text', { exact: true }).fill('word '.repeat(21));
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('As text, 1 to 20 words can be looked for.').waitFor();
  });

  test('a dialog → stays where a click began in it, and where what it does would end with it', async () => {
    const page = await seeded(3);
    await page.getByRole('button', { name: 'Export …' }).click();
    const box = await page.locator('dialog').boundingBox();
    if (box === null) throw new Error('the dialog is not on screen');
    const [outside, inside] = [
      [box.x - 40, box.y + 40],
      [box.x + 60, box.y + 60],
    ] as const;
    await page.mouse.move(...inside);
    await page.mouse.down();
    await page.mouse.move(...outside);
    await page.mouse.up();
    // Beside what is in it, on its own edge.
    await page.mouse.click(box.x + 4, box.y + box.height - 4);
    expect(await dialog(page).isVisible()).toBe(true);
    const held = Promise.withResolvers<void>();
    await page.route(/\/export/, async route => {
      await held.promise;
      await route.continue().catch(() => undefined);
    });
    await dialog(page).getByRole('button', { name: 'Export' }).click();
    await dialog(page).getByRole('progressbar').waitFor();
    await page.mouse.click(...outside);
    expect(await dialog(page).isVisible()).toBe(true);
    await dialog(page).getByRole('button', { name: 'Cancel' }).click();
    held.resolve();
    await dialog(page).getByRole('radio', { name: 'CSV' }).waitFor();
    await page.mouse.click(...outside);
    await dialog(page).waitFor({ state: 'detached' });
  });
});

test('an hour that clocks show twice, written → From is the first time and Until the second, unless somebody says otherwise', async () => {
  const page = await subject.page('?tz=Europe/Zagreb&sentSince=2026-10-25T01:10:00Z');
  await page.getByRole('button', { name: /^25 Oct/ }).click();
  const form = page.locator('.range-form');
  const turn = (label: string) => form.getByLabel(`${label}: clocks show it twice`).locator('option:checked');
  // What nobody has changed stays what it was.
  await expect.poll(() => turn('From').textContent()).toBe('The second time, UTC+01:00');
  await form.getByLabel('From', { exact: true }).fill('2026-10-25T02:20');
  await form.getByLabel('Until (not included)', { exact: true }).fill('2026-10-25T02:40');
  await expect.poll(() => turn('From').textContent()).toBe('The first time, UTC+02:00');
  await expect.poll(() => turn('Until (not included)').textContent()).toBe('The second time, UTC+01:00');
  await form.getByLabel('Until (not included): clocks show it twice').selectOption('0');
  await form.getByLabel('From', { exact: true }).fill('2026-10-25T02:30');
  await page.getByRole('button', { name: 'Apply' }).click();
  await form.waitFor({ state: 'detached' });
  const { searchParams } = new URL(page.url());
  expect(searchParams.get('sentSince')).toBe('2026-10-25T00:30:00.000Z');
  expect(searchParams.get('sentUntil')).toBe('2026-10-25T00:40:00.000Z');
});

test('any range, at any width → its filters take the lines that they took before', async () => {
  const page = await seeded(3);
  const label = page.locator('.ranges + .popover > button');
  const [longAgo, since, until] = [400 * 24, 2, 1].map(hours => new Date(Date.now() - hours * 3_600_000).toISOString());
  const ranges = [
    'last=1h',
    `sentSince=${since}`,
    `sentUntil=${until}`,
    `sentSince=${since}&sentUntil=${until}`,
    `sentSince=${longAgo}&sentUntil=${until}`,
  ];
  let shown = '';
  for (const width of [721, 800, 960, 1024, 1100, 1280, 1440]) {
    await page.setViewportSize({ width, height: 768 });
    const heights = new Set<number>();
    for (const range of ranges) {
      await page.evaluate(`history.pushState(null, '', '?${range}&tz=utc'); dispatchEvent(new Event('popstate'))`);
      await expect.poll(() => label.textContent()).not.toBe(shown);
      shown = (await label.textContent()) ?? '';
      heights.add((await page.locator('.filter-line').boundingBox())?.height ?? 0);
    }
    expect([...heights], `${width} pixels wide`).toHaveLength(1);
  }
});

test('a range that ends where or before it begins → says which, and is turned round at a click', async () => {
  const page = await seeded(30);
  const [early, late] = [20, 10].map(minutes => new Date(Date.now() - minutes * 60_000).toISOString());
  await page.goto(`${page.url()}&sentSince=${late}&sentUntil=${late}`);
  await page.getByText('The range ends where it begins.').waitFor();
  await page.goto(`${page.url().replace(/&sent.*/, '')}&sentSince=${late}&sentUntil=${early}`);
  await page.getByText('The range ends before it begins.').waitFor();
  await page.getByRole('button', { name: 'Turn it round' }).click();
  await expect.poll(() => page.locator('.reached').textContent()).toBe('10 messages, all of them');
});

test('a message that is open at 1024 pixels → leaves a filter whole, with what removes it', async () => {
  const page = await seeded(5);
  await page.setViewportSize({ width: 1024, height: 768 });
  await page.goto(`${subject.url}/?generalStatus=UNDELIVERABLE`);
  await page.locator('#row-0').click();
  await page.getByRole('heading', { name: 'Timeline' }).waitFor();
  const box = (name: string) => page.getByRole('button', { name }).boundingBox();
  const [remove, next] = [await box('Remove the filter Status'), await box('Clear all')];
  expect((remove?.x ?? Infinity) + (remove?.width ?? 0)).toBeLessThanOrEqual(next?.x ?? 0);
});
