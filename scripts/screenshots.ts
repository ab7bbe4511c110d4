/**
 * Takes the pictures in `docs/screenshots` of the page: of the server that `SENTLOG_PAGE_URL` and `SENTLOG_PAGE_KEY` name,
 * such as that of `npm run demo`, else of a made-up log.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messagesOf } from '../test/web/support/messages.ts';
import { startedSubject } from '../test/web/support/subject.ts';

const folder = join(dirname(import.meta.dirname), 'docs', 'screenshots');
const wall = { width: 1440, height: 900 };
const phone = { width: 360, height: 740 };
const made = 2400;

const subject = await startedSubject();
try {
  mkdirSync(folder, { recursive: true });
  if (process.env.SENTLOG_PAGE_URL === undefined) await subject.record(messagesOf('summersale', made, Date.now()));
  const take = async (name: string, colorScheme: 'light' | 'dark', viewport: typeof wall, row?: number) => {
    const page = await subject.page('', { colorScheme, viewport });
    await page.locator('#row-0').waitFor();
    if (row !== undefined) {
      await page.locator(`#row-${row}`).click();
      await page.getByRole('heading', { name: 'Timeline' }).waitFor();
    }
    await page.locator('.figures dd').first().filter({ hasText: /\d/ }).waitFor();
    await page.screenshot({ path: join(folder, `${name}.png`) });
    console.log(join('docs', 'screenshots', `${name}.png`));
  };
  await take('overview-light', 'light', wall);
  await take('message-dark', 'dark', wall, 4);
  await take('phone-light', 'light', phone);
  await take('phone-message-dark', 'dark', phone, 1);
} finally {
  await subject.end();
}
