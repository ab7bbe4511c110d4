import { createHmac } from 'node:crypto';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;

beforeAll(async () => {
  subject = await Subject.start({
    SENTLOG_SECRET: 'a-secret-of-the-operator-that-is-long-enough',
    SENTLOG_CARRIER: 'graph',
  });
  return () => subject.end();
});
afterEach(() => subject.closeTabs());

const madeAccount = (name: string) =>
  fetch(`${subject.url}/manage/1/accounts`, {
    method: 'POST',
    headers: { authorization: `App ${subject.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });

test('an empty log → the line that fills it, which does', async () => {
  const page = await subject.page('');
  await page.getByText('The log holds no message yet.').waitFor();
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
  await row.getByRole('button', { name: 'Revoke …' }).click();
  await page.keyboard.press('Escape');
  const revoke = row.getByRole('button', { name: 'Revoke …' });
  await revoke.waitFor();
  // On a phone columns are lines: what can be done is in sight, and the page is as wide as the screen.
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(390);
  expect((await revoke.boundingBox())?.x).toBeLessThan(200);
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

test('an account, made on the page → its key opens it, and nothing else', async () => {
  // As long as a name may be, without a place to break it.
  expect((await madeAccount('w'.repeat(80))).status).toBe(200);
  const page = await subject.page('');
  await page.setViewportSize({ width: 1024, height: 768 });
  await page.getByRole('button', { name: 'Access' }).click();
  await page.getByText('Make an account').click();
  await page.getByLabel('Name of the account').fill('shop');
  await page.getByRole('button', { name: 'Make the account' }).click();
  const key = await page.locator('.made code').innerText();
  await page.getByRole('table', { name: 'All accounts' }).getByRole('row', { name: /^shop/ }).waitFor();
  expect(await axeViolations(page)).toEqual([]);
  const tooWide = "[...document.querySelectorAll('.listed')].filter(one => one.scrollWidth > one.clientWidth).length";
  expect(await page.evaluate<number>(tooWide)).toBe(0);
  await page.getByLabel('Name of the account').waitFor({ state: 'hidden' });
  await page.getByText('Make an account').click();
  await page.getByLabel('Name of the account').fill('shop');
  await page.getByRole('button', { name: 'Make the account' }).click();
  await page.getByText('there is already an account "shop"').waitFor();
  // On a phone each line has the name of its column.
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate<number>(tooWide)).toBe(0);
  const names =
    "[...document.querySelectorAll('[aria-label=\"All accounts\"] td')].map(cell => getComputedStyle(cell, '::before').content)";
  expect(new Set(await page.evaluate<string[]>(names))).toEqual(new Set(['"Made"', '"Requests"']));
  const other = await subject.tab();
  await other.goto(`${subject.url}/?room=access#key=${encodeURIComponent(key)}`);
  await other.getByRole('heading', { name: 'Account shop' }).waitFor();
  expect(await other.getByText('Make an account').count()).toBe(0);
});

test('a key that is there → bound and unbound on the page; one’s own → told what it costs, and then out', async () => {
  const page = await subject.page('');
  await page.getByRole('button', { name: 'Access' }).click();
  const keys = page.getByRole('table', { name: 'Keys' });
  const rowOf = (key: string) => keys.getByRole('row', { name: new RegExp(key.split('_')[1] ?? '') });
  await page.getByText('Make a key').click();
  await page.getByRole('checkbox', { name: 'everything' }).check();
  await page.getByRole('button', { name: 'Make the key' }).click();
  const key = await page.locator('.made code').innerText();
  const other = rowOf(key);
  expect(await rowOf(subject.key).getByText('yours', { exact: true }).count()).toBe(1);
  expect(await other.getByText('yours', { exact: true }).count()).toBe(0);

  await other.getByRole('button', { name: 'Bind …' }).click();
  const form = page.getByRole('form', { name: /^Bind the key/ });
  await form.getByLabel('Application that the key is bound to').fill('orders');
  await form.getByLabel('Entity that the key is bound to').fill('nordics');
  expect(await axeViolations(page)).toEqual([]);
  await form.getByRole('button', { name: 'Bind the key' }).click();
  await other.getByText('application orders, entity nordics').waitFor();
  await form.waitFor({ state: 'detached' });
  await other.getByRole('button', { name: 'Bind …' }).click();
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(390);
  await form.getByRole('button', { name: 'Unbind it' }).click();
  await form.waitFor({ state: 'detached' });
  await other.getByText('application orders').waitFor({ state: 'detached' });

  const own = await subject.tab();
  await own.goto(`${subject.url}/?room=access#key=${encodeURIComponent(key)}`);
  const mine = own.getByRole('row', { name: new RegExp(key.split('_')[1] ?? '') });
  await mine.getByRole('button', { name: 'Bind …' }).click();
  await own.getByText('A key that is bound manages nothing.').waitFor();
  await mine.getByRole('button', { name: 'Revoke …' }).click();
  await mine.getByRole('alertdialog', { name: /^You are signed in with it: within a second you are out\.$/ }).waitFor();
  await mine.getByRole('button', { name: 'Revoke', exact: true }).click();
  await own.getByText('The key or session is not valid any more.').waitFor();
});

test('the only key that manages an account → said before it is revoked', async () => {
  const { key }: { key: string } = Object(await (await madeAccount('alone')).json());
  const page = await subject.tab();
  await page.goto(`${subject.url}/?room=access#key=${encodeURIComponent(key)}`);
  await page.getByRole('button', { name: 'Revoke …' }).click();
  await page.getByText('Nobody else manages this account').waitFor();
});

test('a page that is watched, set up without a token → what others send over it is in the log', async () => {
  const [id, appSecret, text] = ['1234567890', 'the-secret-of-the-app', 'Sent by the help desk'];
  const page = await subject.page('');
  await page.getByRole('button', { name: 'Sources' }).click();
  await page.getByText('Add a sender, or change one').click();
  await page.getByLabel('Id of the page').fill(id);
  await page.getByLabel('Secret of the app').fill(appSecret);
  await page.getByLabel('What others send over it').selectOption('yes');
  await page.getByRole('button', { name: 'Add', exact: true }).last().click();
  const card = page.getByRole('article', { name: `Sender ${id}` });
  await card.getByText('watched', { exact: true }).waitFor();
  await card.getByText(`${subject.url}/webhooks/meta`).waitFor();
  expect(await axeViolations(page)).toEqual([]);
  expect(await page.content()).not.toContain(appSecret);
  await page.getByText('Add a sender, or change one').click();
  await page.getByLabel('Name', { exact: true }).last().fill('Help desk');
  await page.getByRole('button', { name: 'Add', exact: true }).last().click();
  await card.getByRole('heading', { name: 'Help desk' }).waitFor();
  expect(await card.locator('.state').textContent()).toBe('watched');
  const at = Date.now();
  const message = { mid: 'm_1', is_echo: true, app_id: 42, text };
  const messaging = [{ sender: { id }, recipient: { id: '998877' }, timestamp: at, message }];
  const body = JSON.stringify({ object: 'page', entry: [{ id, time: at, messaging }] });
  const signature = `sha256=${createHmac('sha256', appSecret).update(body).digest('hex')}`;
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature };
  expect((await fetch(`${subject.url}/webhooks/meta`, { method: 'POST', headers, body })).status).toBe(200);
  await page.getByRole('button', { name: 'Back to the log' }).click();
  await page.getByRole('row').filter({ hasText: text }).getByText('998877').waitFor();
});

test('the form of a sender at 390 pixels → nothing in it is wider than it is', async () => {
  const page = await subject.tab({ viewport: { width: 390, height: 844 } });
  await page.goto(`${subject.url}/?room=sources#key=${subject.key}`);
  await page.getByText('Add a sender, or change one').click();
  const rights = await page.evaluate<number[]>(
    `[...document.querySelectorAll('.adding[open] form, .adding[open] .field > *')].map(one => one.getBoundingClientRect().right)`,
  );
  expect(rights.length).toBeGreaterThan(10);
  expect(Math.max(...rights)).toBe(rights[0]);
});
