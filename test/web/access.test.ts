import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start();
});
afterEach(() => subject.closeTabs());
afterAll(() => subject.end());

test('an empty log → the line that fills it, which does', async () => {
  const page = await subject.page('?last=all');
  const line = await page.locator('.command').innerText();
  const [, url = '', body = ''] = /^curl '(.+?)' .* -d '(.+)'$/s.exec(line) ?? [];
  expect(line).not.toContain(subject.key);
  const headers = { authorization: `App ${subject.key}`, 'content-type': 'application/json' };
  expect((await fetch(url, { method: 'POST', headers, body })).status).toBe(200);
  await page.locator('#row-0').getByText('Hello').waitFor();
});

test('a key and a user, made, used and taken away again → all on one page', async () => {
  const page = await subject.page('');
  await page.getByRole('button', { name: 'Access' }).click();
  const keys = page.getByRole('table', { name: 'Keys' });
  await keys.getByRole('row').nth(1).waitFor();

  await page.getByText('Make a key').click();
  await page.getByLabel('Bound to the application').fill('shop');
  await page.getByRole('button', { name: 'Make the key' }).click();
  const made = page.locator('.made code');
  const key = await made.innerText();
  expect(key).toMatch(/^sentlog_\w{12}_\w{32}$/);
  const row = keys.getByRole('row', { name: new RegExp(key.split('_')[1] ?? '') });
  await row.getByText('application shop').waitFor();
  await row.getByText('logs:read').waitFor();
  await row.getByText('never').waitFor();
  expect(await axeViolations(page)).toEqual([]);

  const authorization = `App ${key}`;
  const statusOf = async () =>
    (await fetch(`${subject.url}/messenger/1/logs?limit=1`, { headers: { authorization } })).status;
  expect(await statusOf()).toBe(200);
  await row.getByRole('button', { name: 'Revoke …' }).click();
  await row.getByRole('button', { name: 'Revoke', exact: true }).click();
  await row.getByText(/^revoked/).waitFor();
  await expect.poll(statusOf).toBe(401);

  await page.getByText('Make a user').click();
  await page.getByLabel('Name', { exact: true }).fill('ada');
  await page.getByRole('button', { name: 'Make the user' }).click();
  const users = page.getByRole('table', { name: 'Users' });
  const user = users.getByRole('row', { name: /ada@default/ });
  await user.waitFor();
  await user.getByRole('button', { name: 'Remove …' }).click();
  await user.getByRole('button', { name: 'Remove', exact: true }).click();
  await users.waitFor({ state: 'detached' });
});
