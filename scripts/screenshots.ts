/** Takes the pictures in `docs/screenshots`: of the page of a server of its own, with the traffic of the demo. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { Subject } from '../test/web/support/subject.ts';

const folder = join(dirname(import.meta.dirname), 'docs', 'screenshots');
const screens = [
  { width: 1440, height: 900 },
  { width: 1024, height: 768 },
  { width: 390, height: 844 },
] as const;
const colourSchemes = ['light', 'dark'] as const;

type View = {
  readonly name: string;
  readonly search: string;
  readonly act?: (page: Page) => Promise<void>;
};

const views: readonly View[] = [
  { name: 'overview', search: '?last=24h&compare=previous' },
  {
    name: 'message',
    search: '?generalStatus=UNDELIVERABLE&last=24h&by=error,campaignReferenceId',
    act: async page => {
      await page.locator('#row-1').click();
      await page.getByRole('heading', { name: 'Timeline' }).waitFor();
      // Nothing is under the mouse.
      await page.mouse.move(0, 0);
    },
  },
];

const shots = views.flatMap(view =>
  screens.flatMap(viewport => colourSchemes.map(colorScheme => ({ view, viewport, colorScheme }))),
);

const subject = await Subject.start({ SENTLOG_RETENTION: '7d' });
try {
  mkdirSync(folder, { recursive: true });
  await subject.tellTraffic();
  // So that some of what is newest has been delivered.
  await wait(8000);
  for (const { view, colorScheme, viewport } of shots) {
    const { name, search, act } = view;
    const file = `${name}-${viewport.width}-${colorScheme}.png`;
    const page = await subject.page(search, { colorScheme, viewport, timezoneId: 'Europe/Oslo' });
    await page.locator('#row-0').waitFor();
    await page.locator('.figures dd').first().filter({ hasText: /\d/ }).waitFor();
    await page.locator('.u-over, .overview details:not([open]) > summary').first().waitFor();
    if (search.includes('by=')) await page.locator('.breakdown td').first().waitFor();
    await act?.(page);
    await page.screenshot({ path: join(folder, file) });
    console.log(join('docs', 'screenshots', file));
    await subject.closeTabs();
  }
} finally {
  await subject.end();
}
