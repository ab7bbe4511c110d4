import { accounts } from './cases/accounts.ts';
import { agreement } from './cases/agreement.ts';
import type { Case } from './cases/case.ts';
import { mirror } from './cases/mirror.ts';
import { processes } from './cases/processes.ts';
import { filters, latest, rare, walk } from './cases/reading.ts';
import { recordNdjson, recordSingle } from './cases/recording.ts';
import { reports } from './cases/reports.ts';
import { sending } from './cases/sending.ts';
import { stream } from './cases/stream.ts';
import { summary } from './cases/summary.ts';
import { drop, footprint, memory, start } from './cases/upkeep.ts';
import { words } from './cases/words.ts';

/** In the order they run in: those that change the prepared logs come after those that read them. */
export const cases: readonly Case[] = [
  agreement,
  recordNdjson,
  recordSingle,
  processes,
  accounts,
  stream,
  mirror,
  sending,
  footprint,
  memory,
  latest,
  filters,
  rare,
  words,
  walk,
  summary,
  reports,
  start,
  drop,
];
