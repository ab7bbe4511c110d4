import type { Committed } from '../../store.ts';
import type { WriterReply } from './messages.ts';

/** What batches that shared a transaction came to. */
export function totalsOf({ outcomes, cameTo, durationMs }: Extract<WriterReply, { type: 'recorded' }>): Committed {
  const sum = (kind: 'recorded' | 'updated') => outcomes.reduce((total, { outcome }) => total + outcome[kind], 0);
  return { durationMs, messages: sum('recorded'), reports: sum('updated'), outcomes: cameTo };
}
