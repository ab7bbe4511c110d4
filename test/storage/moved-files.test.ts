import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Credentials } from '../../src/accounts/credentials.ts';
import { SqliteAccountRows } from '../../src/accounts/sqlite/account-rows.ts';
import { SqliteCredentialRows } from '../../src/accounts/sqlite/credential-rows.ts';
import { Unavailable } from '../../src/failures.ts';
import { SqliteMirrorRows } from '../../src/mirror/sqlite/mirror-rows.ts';
import { openSqliteOutbox } from '../../src/outbox/sqlite/engine.ts';
import { SqliteSenderRows } from '../../src/senders/sender-file.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What others find in the place of a file that a server has open. */
const losses: readonly (readonly [string, (path: string) => void])[] = [
  ['moved', () => {}],
  ['replaced by a copy of itself', path => copyFileSync(`${path}.moved`, path)],
  ['replaced by a folder', path => mkdirSync(path)],
  ['replaced by what cannot be looked at', path => symlinkSync(path, path)],
];

type Asked = () => Promise<unknown>;
type Opened = { readonly asked: readonly Asked[]; readonly close: () => Promise<void> };

const newGrant = () => ({ kind: 'session', tokenHash: randomBytes(32), userId: 1, expiresAt: 10 }) as const;
const mirror = { name: 'm', account: 1, from: 'https://m.example', requestsPerMinute: 60, sinceMs: 0, createdAt: 0 };
const page = { account: 1, page: '1', isWatched: true, sealedAppSecrets: ['s'], changedAt: 0 };
const place = { account: 1, contentType: 'application/json', changedAt: 0 } as const;
const user = { name: 'u', password: 'p', scopes: [], createdAt: 0 };

/** All that a server asks of each of its databases; what has a thread of its own has begun it. */
const files: Readonly<Record<string, (path: string) => Promise<Opened>>> = {
  'accounts.db': async path => {
    const rows = new SqliteAccountRows(path);
    const account = { id: 1, name: 'shop', createdAt: 0 };
    await rows.addAccount(account);
    await rows.addUser(1, user);
    const kept = new SqliteCredentialRows(path);
    const credentials = new Credentials(kept, { now: () => 0, tokenTtlMs: 1, sessionTtlMs: 1 });
    await kept.keep(newGrant(), 0);
    const asked: readonly Asked[] = [
      () => rows.accounts(),
      () => rows.retentions(),
      () => rows.revokeKey('k', 0),
      () => rows.setRetention(1, 1000),
      () => kept.key('k'),
      () => kept.user('u'),
      () => kept.token(Buffer.alloc(32)),
      () => kept.session(Buffer.alloc(32)),
      () => kept.keep(newGrant(), 0),
      () => kept.endSession(newGrant().tokenHash),
      () => kept.used([{ of: { user: 1 }, count: 1, lastAt: 0 }]),
      () => credentials.ready(),
    ];
    const close = async () => {
      await credentials.close();
      await rows.close();
    };
    return { asked, close };
  },
  'mirrors.db': async path => {
    const rows = new SqliteMirrorRows(path);
    const { id = 0 } = (await rows.add(mirror, 'sealed')) ?? {};
    const asked: readonly Asked[] = [
      () => rows.mirrors(),
      () => rows.lease(id),
      () => rows.pause(id, undefined),
      () => rows.keep(id, '', { place: '{}', follow: [], unfollow: [] }),
      () => rows.followed(id),
    ];
    return { asked, close: () => rows.close() };
  },
  'senders.db': async path => {
    const rows = new SqliteSenderRows(path);
    const asked: readonly Asked[] = [
      () => rows.senders(),
      () => rows.put(page),
      () => rows.remove(1, '2'),
      () => rows.places(),
      () => rows.putPlace(place),
      () => rows.removePlace(2),
    ];
    return { asked, close: () => rows.close() };
  },
  'outbox.db': async path => {
    const outbox = await openSqliteOutbox(path);
    const asked: readonly Asked[] = [() => outbox.stats(), () => outbox.lapse(0), () => outbox.untold(1)];
    return { asked, close: () => outbox.close() };
  },
};

describe.each(Object.keys(files))('%s', name => {
  test.each(losses)(
    '%s under a server → nothing is read from it or kept in it, until it is back',
    async (_, replace) => {
      const path = join(temporaryFolder(), name);
      const opened = await files[name]?.(path);
      if (opened === undefined) throw new Error(name);
      onTestFinished(opened.close);
      for (const ask of opened.asked) await ask();
      renameSync(path, `${path}.moved`);
      replace(path);
      for (const ask of opened.asked) {
        const failed = await ask().then(
          () => undefined,
          error => error,
        );
        expect(failed, ask.toString()).toBeInstanceOf(Unavailable);
        expect(failed.message).toContain(path);
      }
      rmSync(path, { recursive: true, force: true });
      renameSync(`${path}.moved`, path);
      for (const ask of opened.asked) await ask();
    },
  );

  test('emptied under a server → nothing is read from it or kept in it, until it is filled again', async () => {
    const path = join(temporaryFolder(), name);
    const opened = await files[name]?.(path);
    if (opened === undefined) throw new Error(name);
    onTestFinished(opened.close);
    for (const ask of opened.asked) await ask();
    const held = readFileSync(path);
    truncateSync(path);
    for (const ask of opened.asked) await expect(ask(), ask.toString()).rejects.toThrow(`${path} was emptied`);
    writeFileSync(path, held);
    for (const ask of opened.asked) await ask();
  });
});
