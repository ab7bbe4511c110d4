import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../scripts/demo/random.ts';
import { SimulatedInfobip } from '../../simulator/infobip.ts';
import { simulatedMessage } from '../../simulator/messages.ts';
import { type SimulatedServer, serveInfobip } from '../../simulator/server.ts';
import { type LogsFilter, SentlogClient } from '../../src/client/index.ts';
import { axeViolations } from './support/browser.ts';
import { Subject } from './support/subject.ts';

const otherKey = 'a-key-of-the-other-side';
const messages = 20;

let subject: Subject;
let otherSide: SimulatedServer;

beforeAll(async () => {
  const infobip = new SimulatedInfobip({ seed: 'sources', clock: Date.now, keys: [otherKey] });
  const random = new Random('messages of the sources');
  for (let age = 0; age < messages; age++)
    infobip.add(simulatedMessage({ messageId: `mirrored-${age}`, sentAt: infobip.now() - age * 1000 }, random));
  otherSide = await serveInfobip(infobip);
  subject = await Subject.start({
    SENTLOG_SECRET: 'a-secret-of-the-operator-that-is-long-enough',
    SENTLOG_MIRROR_HOSTS: '127.0.0.1',
    SENTLOG_CARRIER: 'simulated',
  });
});

afterEach(() => subject.closeTabs());
afterAll(async () => {
  await subject.end();
  await otherSide.close();
});

async function sources(key = subject.key): Promise<Page> {
  const page = await subject.tab();
  await page.goto(`${subject.url}/?room=sources#key=${key}`);
  await page.getByRole('heading', { name: 'Sources' }).waitFor();
  return page;
}

const logged = async (filter: LogsFilter = {}) =>
  (
    await new SentlogClient({ baseUrl: subject.url, authorization: { app: subject.key } }).logs({
      ...filter,
      limit: 1000,
    })
  ).results;

describe('a mirror', () => {
  test('added, paused, resumed, removed → its figures, never its key, and its messages stay', async () => {
    const page = await sources();
    await page.getByText('Nothing is mirrored into this account.').waitFor();
    await page.getByText('Add a mirror').click();
    await page.getByLabel('Address').fill('http://169.254.169.254');
    await page.getByLabel('API key').fill(otherKey);
    await page.getByLabel('Name', { exact: true }).fill('eu');
    await page.getByLabel('Requests a minute, at most').fill('600');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText(/is not at a host that may be mirrored from here/).waitFor();
    await page.getByLabel('Address').fill(otherSide.url);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const card = page.getByRole('article', { name: /^Mirror eu-/ });
    await card.getByText('following', { exact: true }).waitFor();
    await card.getByText(`Recorded${messages}`).waitFor();
    expect(await axeViolations(page)).toEqual([]);
    await card.getByRole('button', { name: 'Check' }).click();
    await card.getByText(/Last checked.*: equal, \d+ messages?$/).waitFor();
    await card.getByRole('button', { name: 'Pause' }).click();
    await card.getByText('paused on the page').waitFor();
    await card.getByRole('button', { name: 'Resume' }).click();
    await card.getByText('following', { exact: true }).waitFor();
    expect(await page.content()).not.toContain(otherKey);
    await card.getByRole('button', { name: 'Remove …' }).click();
    await card.getByRole('button', { name: 'Remove', exact: true }).click();
    await page.getByText('Nothing is mirrored into this account.').waitFor();
    expect(await logged()).toHaveLength(messages);
  });
});

describe('a test message', () => {
  test('every content type → sent as it is, and found in the log', async () => {
    const page = await sources();
    const kinds = page.getByLabel('Content');
    const values = await kinds.locator('option').evaluateAll(options => options.map(one => one.getAttribute('value')));
    for (const value of values) {
      await kinds.selectOption(value);
      // An action has nothing to reply to, and with a reply it would be refused.
      expect([value, await page.getByLabel('Quick reply').count()]).toEqual([value, value === 'SENDER_ACTION' ? 0 : 1]);
      const answered = page.waitForResponse(/\/messenger\/1\/messages$/);
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      expect([value, (await answered).status()]).toEqual([value, 200]);
    }
    const types = (await logged({ sender: 'my-page' })).map(({ content }) => content.type).sort();
    expect(types).toEqual(values.map(value => value?.split(' ')[0]).sort());
    expect(new Set(types)).toEqual(
      new Set([
        ...['TEXT', 'IMAGE', 'VIDEO', 'AUDIO', 'DOCUMENT', 'LOCATION', 'SENDER_ACTION', 'TEMPLATE'],
        ...['COMMENT', 'POST', 'OPT_IN_FOLLOWUP', 'MARKETING_MESSAGE'],
      ]),
    );
    // As many characters as the API takes, each of two UTF-16 units.
    await page.getByLabel('Quick reply').fill('😀'.repeat(21));
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText(/quickReplies\[0\]\.title.* must be .*at most 20 characters/).waitFor();
    await page.getByLabel('Quick reply').fill('😀'.repeat(20));
    const answered = page.waitForResponse(/\/messenger\/1\/messages$/);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    const answer = await answered;
    expect(answer.status()).toBe(200);
    expect(answer.request().postDataJSON().messages[0].quickReplies[0].title).toBe('😀'.repeat(20));
    await page.getByRole('button', { name: 'See what becomes of it' }).click();
    await page.getByRole('heading', { name: 'Timeline' }).waitFor();
    expect(await axeViolations(page)).toEqual([]);
  });
});

test('a key that may only read → no way to the sources, and a link there says why', async () => {
  const { stdout } = await subject.home.command(
    'keys',
    'create',
    '--account',
    'default',
    '--scope',
    'messenger:logs:read',
  );
  const page = await sources(stdout.trim());
  await page.getByText(/This key may manage nothing here/).waitFor();
  await page.getByRole('button', { name: 'Back to the log' }).click();
  await page.getByRole('grid').waitFor();
  expect(await page.getByRole('button', { name: 'Sources', exact: true }).count()).toBe(0);
});
