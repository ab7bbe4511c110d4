import type { EpochMs } from '../../domain/message.ts';
import { keysOf, states } from '../states.ts';
import { steps } from '../telling.ts';
import { openOutboxFile } from './outbox-file.ts';
import { OutboxRows } from './rows.ts';

const unsent = `state IN (${states.scheduled}, ${states.queued}, ${states.claimed})`;

/**
 * Ends whatever a file still has to send, for whoever may have been sent it already by the server that the file is a copy
 * of: nobody knows. The log is told so, and all else that it was not told yet; an echo may still prove that one was sent.
 * Throws `Unusable` when a newer program wrote the file. Nobody else may have it open.
 */
export function giveUpUnsent(path: string, now: EpochMs): void {
  const db = openOutboxFile(path);
  try {
    const rows = new OutboxRows(db);
    db.exec('BEGIN IMMEDIATE');
    for (const { id, state } of rows.all(`SELECT id, state FROM message WHERE ${unsent} ORDER BY id`)) {
      const message = Number(id);
      // What is not due yet the log has not heard of.
      if (state === states.scheduled) rows.step(message, { at: now, isFirst: true, ...keysOf(steps.accepted) });
      rows.step(message, { at: now, isFirst: false, doneAt: now, ...keysOf(steps.expiredUnknown) });
    }
    rows.run(`UPDATE message SET sent_at = ? WHERE state = ${states.scheduled}`, now);
    rows.run(
      `UPDATE message SET state = ${states.lost}, is_head = 0, is_in_line = 0, deadline = NULL, claimed_at = coalesce(claimed_at, ?)
       WHERE ${unsent}`,
      now,
    );
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}
