import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations } from './support/browser.ts';
import { fakeKey, fakeUser } from './support/fake-server.ts';
import { FakeSubject } from './support/fake-subject.ts';
import { messagesOf } from './support/messages.ts';

let subject: FakeSubject;

beforeAll(async () => {
  subject = await FakeSubject.start();
  await subject.record(messagesOf('summersale', 20, Date.now()));
});

afterEach(async () => {
  await subject.closeTabs();
  subject.server.refusal = undefined;
});
afterAll(() => subject.end());

const grid = (page: Page) => page.getByRole('grid');
const stored = (page: Page) =>
  page.evaluate<string>(
    'JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])',
  );

async function opened(): Promise<Page> {
  const page = await subject.tab();
  await page.goto(subject.url);
  return page;
}

describe('signing in', () => {
  test('a link with a key → signed in, the key nowhere to be seen', async () => {
    const page = await subject.tab();
    await page.goto(`${subject.url}/?tz=utc#key=${fakeKey}`);
    await grid(page).waitFor();
    expect(page.url()).toBe(`${subject.url}/?tz=utc`);
    expect(await stored(page)).not.toContain(fakeKey);
    expect(subject.server.requests.join()).not.toContain(fakeKey);
  });

  test('a key typed in → signed in; a reload → signed out', async () => {
    const page = await opened();
    expect(await axeViolations(page)).toEqual([]);
    await page.getByLabel('API key', { exact: true }).last().fill(fakeKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await grid(page).waitFor();
    expect(await stored(page)).not.toContain(fakeKey);
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
    await page.getByRole('radio', { name: 'User name and password' }).check({ force: true });
    await page.getByLabel('User name', { exact: true }).fill(fakeUser.username);
    await page.getByLabel('Password', { exact: true }).fill(fakeUser.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await grid(page).waitFor();
    expect(subject.server.sessions).toBe(1);
    expect(await stored(page)).not.toContain('session-');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    await expect.poll(() => subject.server.sessions).toBe(0);
  });

  test('a key that is revoked meanwhile → signed out, with the reason', async () => {
    const page = await subject.page('');
    subject.server.forget();
    subject.server.dropListeners();
    await page.getByText('The key or session is not valid any more.').waitFor();
  });

  test('the server limits sign-ins → says for how long', async () => {
    const page = await opened();
    subject.server.rateLimit(30);
    await page.getByLabel('API key', { exact: true }).last().fill(fakeKey);
    await page.keyboard.press('Enter');
    await page.getByText('Too many attempts. Try again in 30 s.').waitFor();
  });
});

test('all that a page does → asks no other host, and breaks no policy', async () => {
  const page = await subject.tab();
  const asked = new Set<string>();
  const faults: string[] = [];
  page.on('request', request => asked.add(new URL(request.url()).origin));
  page.on('console', message => message.type() === 'error' && faults.push(message.text()));
  page.on('pageerror', error => faults.push(error.message));
  await page.goto(`${subject.url}/?open=summersale-000002#key=${fakeKey}`);
  await page.getByRole('button', { name: 'Load the picture from media.example.com' }).waitFor();
  await page.getByRole('button', { name: 'Filter …' }).click();
  await page.keyboard.press('Escape');
  expect([...asked]).toEqual([subject.url]);
  expect(faults).toEqual([]);
});
