import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Secrets } from '../../src/secrets.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { Senders } from '../../src/senders/senders.ts';

const secret = 'a-secret-that-is-long-enough-to-be-one';
const request = { account: 1, page: '1234', token: 'token-of-the-page', appSecret: 'secret-of-the-app' };

function open(secrets: readonly string[] = [secret]) {
  const folder = mkdtempSync(join(tmpdir(), 'sentlog-senders-'));
  const path = join(folder, 'senders.db');
  const made = (given: readonly string[]) => {
    const senders = new Senders(new SqliteSenderRows(path), new Secrets(given), () => Date.UTC(2026, 0, 1));
    onTestFinished(() => senders.close());
    return senders;
  };
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { path, made, senders: made(secrets) };
}

describe('senders', () => {
  it('added → usable by another process, with its token and price; nothing of it readable in the file', async () => {
    const { path, made, senders } = open();
    const price = { pricePerMessage: 0.15, currency: 'EUR' };
    await senders.add({ ...request, name: 'Shop', price });
    const [sender] = await made([secret]).known();
    if (sender === undefined) throw new Error('no sender');
    expect(sender).toMatchObject({ account: 1, page: '1234', name: 'Shop', price });
    expect(senders.keys(sender)).toEqual({ token: request.token, appSecret: request.appSecret });
    for (const end of ['', '-wal']) {
      const bytes = readFileSync(`${path}${end}`).toString('latin1');
      expect(bytes.includes(request.token) || bytes.includes(request.appSecret)).toBe(false);
    }
  });

  it('another app secret → both are good for webhooks, the newest for calls; a third drops the first', async () => {
    const { senders } = open();
    for (const appSecret of ['first', 'second', 'second', 'third']) await senders.add({ ...request, appSecret });
    expect(await senders.appSecrets()).toEqual(['third', 'second']);
    const [sender] = await senders.list();
    expect(sender && senders.keys(sender).appSecret).toBe('third');
  });

  it('what is no page, token, secret or price; no secret to seal with; nothing to remove → refused in words', async () => {
    const { made, senders } = open();
    const refused = (fields: object) => expect(senders.add({ ...request, ...fields })).rejects.toThrow();
    for (const page of ['', 'my page', 'x', '1'.repeat(65)]) await refused({ page });
    for (const token of ['', 'two words', 'ž', 'x'.repeat(2049)]) await refused({ token });
    await refused({ appSecret: 'a\nb' });
    await refused({ price: { pricePerMessage: -1, currency: 'EUR' } });
    await refused({ price: { pricePerMessage: 1, currency: 'euro' } });
    expect(await senders.list()).toEqual([]);
    await expect(made([]).add(request)).rejects.toThrow('SENTLOG_SECRET');
    await expect(senders.remove(1, '1234')).rejects.toThrow('no sender');
    await senders.add(request);
    await expect(senders.remove(2, '1234')).rejects.toThrow('no sender');
    await senders.remove(1, '1234');
    expect(await senders.known()).toEqual([]);
  });
});
