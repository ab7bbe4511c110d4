/**
 * Statements that are not of an account, by a part of their text: figures of the whole log, upkeep, and the look for what
 * all watched accounts have; and the tables that they touch.
 */
export const ofAll = [
  ['SELECT coalesce(sum(r.messages), 0)::bigint', ['recording']],
  ['SELECT r.tx, r.generation, r.messages', ['recording']],
  ['SELECT generation, hour, sum(messages)::bigint', ['tally']],
  ['SELECT coalesce(sum(c.messages), 0)::bigint', ['recording', 'summed', 'tally']],
  ['SELECT c.generation, c.hour, sum(c.messages)::bigint', ['recording', 'summed', 'tally']],
  ['SELECT max(s.until_tx) FROM summed s', ['summed']],
  ['SELECT r.account_id, max(r.tx) FROM recording r', ['recording']],
  ['SELECT DISTINCT s.account_id FROM late r', ['recording', 'summed']],
  ['SELECT min(r.tx) FROM late r', ['recording', 'summed']],
  // The row of no account: up to where all of them are added up.
  ['SELECT s.until_tx FROM summed s WHERE s.account_id = 0', ['summed']],
  ['INSERT INTO summed (account_id, until_tx) VALUES (0,', ['summed']],
  ['SELECT w.account_id, count(*) FROM waiting_report w', ['waiting_report']],
  ['SELECT 1 FROM recording r WHERE r.generation', ['recording']],
  ['DELETE FROM tally WHERE', ['tally']],
  ['DELETE FROM cell WHERE', ['cell']],
] as const;

/** Sent where a closed generation has nothing left, which depends on when one was closed. */
export const perhaps = [
  ['SELECT DISTINCT t.generation FROM tally t', ['tally']],
  ['SELECT DISTINCT r.generation FROM summed s', ['recording', 'summed']],
] as const;
