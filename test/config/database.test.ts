import { describe, expect, test } from 'vitest';
import { loadPlace, maskedConfig } from '../../src/config.ts';
import { fromEnv, refusal } from './loading.ts';

describe('the database', () => {
  const store = 'postgres://keeper:hunter2@db.example:5433/log?sslmode=require&sslpassword=hunter3';

  test('its address → as it is, and masked where it is shown', () => {
    const config = fromEnv({ SENTLOG_STORE: store });
    expect(config.store).toBe(store);
    const shown = JSON.stringify(maskedConfig(config));
    expect(shown).toContain('"postgres://keeper:***@db.example:5433/log"');
    expect(shown).not.toContain('hunter');
  });

  test.each([
    'mysql://keeper:hunter2@db/log',
    'keeper:hunter2@db',
    'postgres:hunter2',
    'postgres://keeper:hunter2@d b/',
  ])('the address %s → refused without repeating it', text => {
    const line = refusal(() => fromEnv({ SENTLOG_STORE: text }));
    expect(line).toBe('SENTLOG_STORE: the value is not an address like postgres://user:password@host:5432/database');
  });

  test('no address → the data folder', () => {
    expect(fromEnv({ SENTLOG_STORE: '' }).store).toBeUndefined();
    expect(loadPlace({ env: {}, flags: {} }).store).toBeUndefined();
  });

  test('addresses of replicas → each as it is, and masked where it is shown', () => {
    const config = fromEnv({ SENTLOG_STORE: store, SENTLOG_STORE_READ: `${store}, postgres://b/log` });
    expect(config.replicas).toEqual([store, 'postgres://b/log']);
    const shown = JSON.stringify(maskedConfig(config));
    expect(shown).toContain('["postgres://keeper:***@db.example:5433/log","postgres://b/log"]');
    expect(shown).not.toContain('hunter');
    expect(fromEnv({ SENTLOG_STORE: store, SENTLOG_STORE_READ: ' ' }).replicas).toEqual([]);
  });

  test.each([
    ['postgres://a/log,', 'is not a list of addresses like postgres://user:password@host:5432/database'],
    ['mysql://keeper:hunter2@a/log', 'is not a list of addresses like postgres://user:password@host:5432/database'],
    ['postgres://a/log,postgres://a/log', 'names an address twice'],
    [Array.from({ length: 17 }, (_, i) => `postgres://a${i}/log`).join(), 'names more than 16 addresses'],
  ])('the addresses %s → refused without repeating them', (text, reason) => {
    const line = refusal(() => fromEnv({ SENTLOG_STORE: store, SENTLOG_STORE_READ: text }));
    expect(line).toBe(`SENTLOG_STORE_READ: the value ${reason}`);
  });

  test('replicas of a data folder → refused', () => {
    expect(refusal(() => fromEnv({ SENTLOG_STORE_READ: 'postgres://a/log' }))).toBe(
      'SENTLOG_STORE_READ needs SENTLOG_STORE: a data folder has no replicas',
    );
  });

  test('blocks in a data folder → refused, with what is meant instead', () => {
    expect(refusal(() => fromEnv({ SENTLOG_SEAL_AFTER: '6h' }))).toBe(
      'SENTLOG_SEAL_AFTER needs SENTLOG_STORE: a data folder packs by SENTLOG_MERGE',
    );
    expect(fromEnv({ SENTLOG_STORE: store, SENTLOG_SEAL_AFTER: '6h' }).sealAfterMs).toBe(6 * 3_600_000);
    expect(refusal(() => fromEnv({ SENTLOG_STORE: store, SENTLOG_SEAL_AFTER: '5m' }))).toContain('SENTLOG_SEAL_AFTER');
  });

  test('too many partitions → refused', () => {
    const narrow = { SENTLOG_RETENTION: '30d', SENTLOG_PARTITION: '1m' };
    expect(refusal(() => fromEnv({ ...narrow, SENTLOG_STORE: store }))).toContain('43200 partitions');
    expect(() => fromEnv(narrow)).not.toThrow();
  });
});
