import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { messagesOf } from './support/messages.ts';
import { Subject } from './support/subject.ts';

let subject: Subject;
const user = { name: 'ada', password: '' };

beforeAll(async () => {
  subject = await Subject.start();
  await subject.record(messagesOf('summersale', 20, Date.now()));
  user.password = (await subject.home.command('users', 'create', user.name, '--account', 'default')).stdout.trim();
  return () => subject.end();
});

afterEach(() => subject.closeTabs());

const grid = (page: Page) => page.getByRole('grid');
const stored = (page: Page) =>
  page.evaluate<string>(
    'JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])',
  );

async function statusWith(authorization: string): Promise<number> {
  return (await fetch(`${subject.url}/messenger/1/logs?limit=1`, { headers: { authorization } })).status;
}

async function newKey(scope: string): Promise<string> {
  const { stdout } = await subject.home.command('keys', 'create', '--account', 'default', '--scope', scope);
  return stdout.trim();
}

async function opened(): Promise<Page> {
  const page = await subject.tab();
  await page.goto(subject.url);
  return page;
}

describe('signing in', () => {
  test('a link with a key → signed in, the key nowhere to be seen', async () => {
    const page = await subject.tab();
    const urls: string[] = [];
    page.on('request', request => urls.push(request.url()));
    await page.goto(`${subject.url}/?tz=utc#key=${subject.key}`);
    await grid(page).waitFor();
    expect(page.url()).toBe(`${subject.url}/?tz=utc`);
    expect(await stored(page)).not.toContain(subject.key);
    expect(urls.filter(url => !url.includes('#')).join()).not.toContain(subject.key);
  });

  test('a browser whose language is no language tag → the page all the same', async () => {
    const page = await subject.tab();
    await page.addInitScript("Object.defineProperty(Navigator.prototype, 'language', { get: () => 'en-US@posix' })");
    await page.goto(`${subject.url}/#key=${subject.key}`);
    await grid(page).waitFor();
    await page.locator('.u-over').waitFor();
  });

  test('a key typed in → signed in, after a reload too; signed out → not after another', async () => {
    const page = await opened();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByLabel('API key', { exact: true }).last().fill(subject.key);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await grid(page).waitFor();
    expect(await stored(page)).not.toContain(subject.key);
    await page.reload();
    await grid(page).waitFor();
    expect(await stored(page)).not.toContain(subject.key);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
  });

  test('a wrong key → says so', async () => {
    const page = await opened();
    await page.getByLabel('API key', { exact: true }).last().fill('nonsense');
    await page.keyboard.press('Enter');
    await page.getByText('This key is not known, or no longer valid.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('user name and password → a session, which signing out ends', async () => {
    const page = await opened();
    const made = page.waitForResponse(/\/auth\/1\/session$/).then(async answer => (await answer.json()).token);
    const used = page.waitForRequest(/logs\?/).then(request => request.allHeaders());
    await page.getByRole('radio', { name: 'User name and password' }).check({ force: true });
    await page.getByLabel('User name', { exact: true }).fill(user.name);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await grid(page).waitFor();
    const token = await made;
    expect(await used).not.toHaveProperty('authorization');
    expect(await stored(page)).not.toContain(token);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await expect.poll(() => statusWith(`IBSSO ${token}`)).toBe(401);
  });

  test('a key that is revoked meanwhile → signed out, with the reason', async () => {
    const key = await newKey('messenger:logs:read');
    const page = await subject.tab();
    await page.goto(`${subject.url}/#key=${key}`);
    await grid(page).waitFor();
    const [, id = ''] = key.split('_');
    expect((await subject.home.command('keys', 'revoke', id)).code).toBe(0);
    await page.getByText('The key or session is not valid any more.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('a key that may not read → says so, and what it lacks', async () => {
    const page = await opened();
    await page
      .getByLabel('API key', { exact: true })
      .last()
      .fill(await newKey('messenger:logs:write'));
    await page.keyboard.press('Enter');
    await page.getByText('This is valid, but may not read the log.').waitFor();
  });

  test('a link with a key that may not read → says so', async () => {
    const page = await subject.tab();
    await page.goto(`${subject.url}/#key=${await newKey('messenger:logs:write')}`);
    await page.getByText('This is valid, but may not read the log.').waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });

  test('a link of another account while somebody is signed in → asks first, naming both', async () => {
    expect((await subject.home.command('accounts', 'create', 'mallory')).code).toBe(0);
    const { stdout } = await subject.home.command('keys', 'create', '--account', 'mallory');
    const page = await subject.page('');
    const rows = page.locator('.reached');
    await expect.poll(() => rows.textContent()).toBe('20 messages, all of them');
    const question = page.getByRole('dialog', { name: 'Another account?' });
    const follow = (key: string) => page.evaluate(`location.hash = 'key=${key}'`);
    await follow(stdout.trim());
    await question
      .getByText('You are signed in to the account default. The link signs you in to the account mallory')
      .waitFor();
    expect(await axeViolations(page)).toEqual([]);
    expect(page.url()).not.toContain('key=');
    await question.getByRole('button', { name: 'Stay in default' }).click();
    await page.reload();
    await expect.poll(() => rows.textContent()).toBe('20 messages, all of them');
    await page.goto(`${subject.url}/?tz=utc#key=${stdout.trim()}`);
    await page.reload();
    await follow(stdout.trim());
    await question.getByRole('button', { name: 'Go to mallory' }).click();
    await page.getByText('The log holds no message yet.').or(page.getByText('No message matches.')).waitFor();
    await follow('nonsense');
    const dead = page.getByRole('dialog', { name: 'The link does not work' });
    await dead
      .getByText('This key is not known, or no longer valid. You stay signed in to the account mallory.')
      .waitFor();
  });

  test('too many wrong keys → the server limits sign-ins, and the page says for how long', async () => {
    for (let failures = 0; failures < 40; failures += 1) await statusWith('App nonsense');
    const page = await opened();
    await page.getByRole('radio', { name: 'User name and password' }).check({ force: true });
    await page.getByLabel('User name', { exact: true }).fill(user.name);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.keyboard.press('Enter');
    await page.getByText(/Too many attempts. Try again in \d+ s./).waitFor();
  });
});

test('all that a page does → asks no other host, and breaks no policy', async () => {
  const page = await subject.tab();
  const asked = new Set<string>();
  const faults: string[] = [];
  page.on('request', request => asked.add(new URL(request.url()).origin));
  page.on('console', message => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', error => faults.push(error.message));
  await page.goto(`${subject.url}/?open=summersale-000002#key=${subject.key}`);
  await page.getByRole('button', { name: 'Load the picture from media.example.com' }).waitFor();
  await page.getByRole('button', { name: 'Filter …' }).click();
  await page.keyboard.press('Escape');
  expect([...asked]).toEqual([subject.url]);
  expect(faults).toEqual([]);
});
