import { limits } from './limits.ts';
import { databaseUrl, databaseUrls, duration, integer, optional, setting } from './setting-kinds.ts';

const { partitionsMax } = limits;

/** The log in a database. */
export const databaseSettings = Object.freeze({
  store: {
    ...setting(
      'SENTLOG_STORE',
      databaseUrl,
      '',
      'PostgreSQL database for the log and the accounts instead of the folder: `postgres://user:password@host/database`; any number of servers share it',
    ),
    secret: true,
  },
  poolSize: setting(
    'SENTLOG_POOL_SIZE',
    integer(2, 1000),
    '10',
    'Connections to the database for the log, half of them to record; a server has up to seventeen more for the rest, and over Citus one for each node',
  ),
  replicas: {
    ...setting(
      'SENTLOG_STORE_READ',
      databaseUrls(limits.replicasMax),
      '',
      'Streaming standbys of that database, separated by commas, which answer reads while they are recent enough',
    ),
    secret: true,
  },
  replicaLagMs: setting(
    'SENTLOG_STORE_READ_LAG',
    duration('200ms', '10m'),
    '1s',
    'How old an answer of such a standby may be; what this server recorded itself always shows',
  ),
  partitionMs: setting(
    'SENTLOG_PARTITION',
    optional(duration('1s', '30d')),
    '',
    'Range of `sentAt` that one table of the database holds, by what is recorded `4h` or `1h` unless set; retention drops whole tables',
  ),
  sealAfterMs: setting(
    'SENTLOG_SEAL_AFTER',
    optional(duration('1h', '3650d')),
    '',
    'Age at which messages in the database are packed into blocks, which take a third of the room and are dearer to read; none are when empty. Older versions cannot use the database from then on',
  ),
  statementTimeoutMs: setting(
    'SENTLOG_STATEMENT_TIMEOUT',
    duration('100ms', '10m'),
    '10s',
    'What one statement may take in the database before the request is answered with 503',
  ),
});

type Terms = { readonly retentionMs: number; readonly partitionMs: number | undefined };

/** Why these terms cannot be those of a log in a database, if they cannot. */
export function databaseFault({ retentionMs, partitionMs }: Terms): string | undefined {
  const s = databaseSettings;
  const partitions = Math.ceil(retentionMs / (partitionMs ?? limits.partitionMs));
  if (partitions <= partitionsMax) return undefined;
  return `${s.partitionMs.env} is too short for SENTLOG_RETENTION: the log would have ${partitions} partitions, and can have ${partitionsMax}`;
}
