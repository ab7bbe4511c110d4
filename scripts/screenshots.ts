/** Takes the pictures in `docs/screenshots`: of the page of a server of its own, with the traffic of the demo. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { Subject } from '../test/web/support/subject.ts';

const folder = join(dirname(import.meta.dirname), 'docs', 'screenshots');
const desk = { width: 1440, height: 900 };
const phone = { width: 360, height: 740 };

type Shot = {
  readonly name: string;
  readonly colorScheme: 'light' | 'dark';
  readonly viewport: typeof desk;
  readonly search?: string;
  readonly act?: (page: Page) => Promise<void>;
};

const openRow = (row: number) => async (page: Page) => {
  await page.locator(`#row-${row}`).click();
  await page.getByRole('heading', { name: 'Timeline' }).waitFor();
};

const shots: readonly Shot[] = [
  { name: 'overview-light', colorScheme: 'light', viewport: desk },
  {
    name: 'message-dark',
    colorScheme: 'dark',
    viewport: desk,
    search: '?generalStatus=UNDELIVERABLE',
    act: openRow(4),
  },
  { name: 'phone-light', colorScheme: 'light', viewport: phone },
  {
    name: 'phone-message-dark',
    colorScheme: 'dark',
    viewport: phone,
    search: '?generalStatus=UNDELIVERABLE',
    act: openRow(1),
  },
];

const subject = await Subject.start();
try {
  mkdirSync(folder, { recursive: true });
  await subject.tellTraffic();
  // So that some of what is newest has been delivered.
  await wait(8000);
  for (const { name, colorScheme, viewport, search = '', act } of shots) {
    const page = await subject.page(search, { colorScheme, viewport, timezoneId: 'Europe/Oslo' });
    await page.locator('#row-0').waitFor();
    await page.locator('.figures dd').first().filter({ hasText: /\d/ }).waitFor();
    await act?.(page);
    await page.screenshot({ path: join(folder, `${name}.png`) });
    console.log(join('docs', 'screenshots', `${name}.png`));
    await subject.closeTabs();
  }
} finally {
  await subject.end();
}
