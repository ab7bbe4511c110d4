/**
 * Writes sessions, access tokens and how often who was let in to the accounts file on its own thread, because each write waits for the disk and,
 * beside another process, for the file's lock.
 */
import assert from 'node:assert/strict';
import { parentPort, workerData } from 'node:worker_threads';
import type { EpochMs } from '../../domain/message.ts';
import { isReadOnlyFile } from '../../failures.ts';
import { OpenedFile } from '../../opened-file.ts';
import { type Grant, grantsPerOwnerMax } from '../rows.ts';
import type { Use } from '../uses.ts';
import { openForGrants, transact } from './accounts-file.ts';
import type { GrantReply, GrantRequest, GrantStart } from './grants.ts';

assert(parentPort !== null);
const port = parentPort;
const { path, identity }: GrantStart = workerData;
const file = new OpenedFile(path, identity);
file.refuseMoved();
const db = openForGrants(path);

const statements = {
  session: {
    add: db.prepare('INSERT INTO session (token_hash, user_id, expires_at) SELECT ?, id, ? FROM user WHERE id = ?'),
    expire: db.prepare('DELETE FROM session WHERE expires_at <= ?'),
    trim: db.prepare(
      `DELETE FROM session WHERE id IN
         (SELECT id FROM session WHERE user_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)`,
    ),
  },
  access_token: {
    add: db.prepare(
      'INSERT INTO access_token (token_hash, key_id, expires_at) SELECT ?, id, ? FROM api_key WHERE id = ?',
    ),
    expire: db.prepare('DELETE FROM access_token WHERE expires_at <= ?'),
    trim: db.prepare(
      `DELETE FROM access_token WHERE id IN
         (SELECT id FROM access_token WHERE key_id = ?1 ORDER BY id DESC LIMIT -1 OFFSET ?2)`,
    ),
  },
};
const countKey = db.prepare(countingIn('api_key'));
const countUser = db.prepare(countingIn('user'));
const endSession = db.prepare('DELETE FROM session WHERE token_hash = ?');

function countingIn(table: 'api_key' | 'user'): string {
  return `UPDATE ${table} SET uses = uses + ?1, last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?3`;
}

/** `false` when the owner is gone by now. */
function add(grant: Grant, now: EpochMs): boolean {
  const owner = grant.kind === 'session' ? grant.userId : grant.keyId;
  const { add, expire, trim } = statements[grant.kind];
  return transact(db, () => {
    expire.run(now);
    const added = Number(add.run(grant.tokenHash, grant.expiresAt, owner).changes) > 0;
    trim.run(owner, grantsPerOwnerMax);
    return added;
  });
}

function count(uses: readonly Use[]): boolean {
  return transact(db, () => {
    for (const use of uses)
      if ('key' in use.of) countKey.run(use.count, use.lastAt, use.of.key);
      else countUser.run(use.count, use.lastAt, use.of.user);
    return true;
  });
}

function changedBy(request: GrantRequest): boolean {
  switch (request.action) {
    case 'add':
      return add(request.grant, request.now);
    case 'end-session':
      return Number(endSession.run(request.tokenHash).changes) > 0;
    case 'use':
      return count(request.uses);
  }
}

/** Nothing can be written by this thread's connection, whatever becomes of the disk: the next request has another thread. */
let isSpent = false;

function perform(request: GrantRequest): GrantReply {
  try {
    file.refuseMoved();
    return { id: request.id, changed: changedBy(request) };
  } catch (error) {
    isSpent ||= isReadOnlyFile(error);
    return { id: request.id, failure: error instanceof Error ? error.message : String(error) };
  }
}

port.on('message', (request: GrantRequest | 'close') => {
  if (request !== 'close') {
    port.postMessage(perform(request));
    if (!isSpent) return;
  }
  db.close();
  port.close();
});
