import { accounts, ownRetention, retentionChanges, uses } from './account-tables.ts';
import { errorIndexes, indexStatement, type PartitionedIndex } from './indexes.ts';
import {
  acceptedMessages,
  countedMessages,
  duePushes,
  endedMessages,
  impliedDeliveries,
  messagesOfPersons,
  openMessages,
  outbox,
  outboxProcesses,
  provenReceipts,
  reportFields,
  reports,
  seenMessages,
  tellingProcesses,
  unknownOfConversations,
  unknownOfMessages,
  watchedPages,
} from './outbox-tables.ts';

/**
 * A step of the schema. Steps are numbered without gaps, only ever added, and never changed once released. A program
 * that does not know a step yet works on beside it, so a step adds tables, indexes, and columns that may be left out;
 * one that it could not live with is `breaking`, and such a program refuses to start.
 */
export type Migration = {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly breaking?: boolean;
  /**
   * Indexes of tables that are partitioned and large. Each partition's is made ahead of `sql`, one at a time, so that
   * whoever writes waits for one of them at most; the table's, which `sql` makes, takes them over.
   */
  readonly indexes?: readonly PartitionedIndex[];
};

/**
 * The tables, as `README.md` here explains them. `account_id` comes first in every key, so that Citus can spread all of
 * them by it.
 */
const log = `
CREATE TABLE era (
  number integer PRIMARY KEY,
  system_identifier text NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE generation (
  number integer PRIMARY KEY,
  begun_at timestamptz NOT NULL DEFAULT now()
);

CREATE SEQUENCE message_number AS bigint INCREMENT BY 8192 MINVALUE 8192 NO CYCLE;

CREATE TABLE message (
  account_id bigint NOT NULL,
  sent_at bigint NOT NULL,
  number bigint NOT NULL,
  tx bigint NOT NULL,
  state_tx bigint NOT NULL,
  received_at bigint NOT NULL,
  "at" bigint NOT NULL,
  done_at bigint,
  seen_at bigint,
  price double precision,
  message_count integer NOT NULL,
  status_key integer NOT NULL,
  error_key integer NOT NULL,
  group_id smallint NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  sender text COLLATE "C" NOT NULL,
  destination text COLLATE "C" NOT NULL,
  bulk_id text COLLATE "C",
  entity_id text COLLATE "C",
  application_id text COLLATE "C",
  campaign_reference_id text COLLATE "C",
  currency text COLLATE "C",
  words text COLLATE "C",
  content text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, sent_at, number)
) PARTITION BY RANGE (sent_at);

CREATE INDEX message_sender ON message (account_id, sender, sent_at, number);
CREATE INDEX message_destination ON message (account_id, destination, sent_at, number);
CREATE INDEX message_bulk ON message (account_id, bulk_id, sent_at, number) WHERE bulk_id IS NOT NULL;
CREATE INDEX message_entity ON message (account_id, entity_id, sent_at, number) WHERE entity_id IS NOT NULL;
CREATE INDEX message_application ON message (account_id, application_id, sent_at, number)
  WHERE application_id IS NOT NULL;
CREATE INDEX message_campaign ON message (account_id, campaign_reference_id, sent_at, number)
  WHERE campaign_reference_id IS NOT NULL;
CREATE INDEX message_group ON message (account_id, group_id, sent_at, number);

CREATE TABLE message_key (
  account_id bigint NOT NULL,
  sent_at bigint NOT NULL,
  number bigint NOT NULL,
  generation integer NOT NULL,
  message_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, message_id, generation)
) PARTITION BY RANGE (generation);

CREATE TABLE report (
  account_id bigint NOT NULL,
  sent_at bigint NOT NULL,
  number bigint NOT NULL,
  tx bigint NOT NULL,
  received_at bigint NOT NULL,
  version integer NOT NULL,
  group_before smallint NOT NULL,
  group_after smallint NOT NULL,
  said text COLLATE "C" NOT NULL,
  state_before text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, sent_at, number, version)
) PARTITION BY RANGE (sent_at);

CREATE INDEX report_left ON report (account_id, group_before, tx) WHERE group_before <> group_after;

CREATE TABLE recording (
  account_id bigint NOT NULL,
  tx bigint NOT NULL,
  generation integer NOT NULL,
  messages integer NOT NULL,
  reports integer NOT NULL,
  oldest_sent_at bigint,
  newest_sent_at bigint NOT NULL,
  sent_ats bigint[] NOT NULL,
  numbers bigint[] NOT NULL,
  versions integer[] NOT NULL,
  minutes text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, tx, generation)
) PARTITION BY RANGE (generation);

ALTER TABLE recording ALTER sent_ats SET STORAGE EXTERNAL, ALTER numbers SET STORAGE EXTERNAL,
  ALTER versions SET STORAGE EXTERNAL, ALTER minutes SET STORAGE EXTERNAL;

CREATE TABLE summed (
  account_id bigint PRIMARY KEY,
  until_tx bigint NOT NULL
);

CREATE TABLE tally (
  account_id bigint NOT NULL,
  generation integer NOT NULL,
  hour bigint NOT NULL,
  messages bigint NOT NULL,
  reports bigint NOT NULL,
  oldest_sent_at bigint NOT NULL,
  newest_sent_at bigint NOT NULL,
  PRIMARY KEY (account_id, generation, hour)
);

CREATE TABLE cell (
  account_id bigint NOT NULL,
  span_ms integer NOT NULL,
  begins_at bigint NOT NULL,
  groups text COLLATE "C" NOT NULL,
  counts text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, span_ms, begins_at)
);

CREATE TABLE message_key_g1 PARTITION OF message_key FOR VALUES FROM (1) TO (2);
CREATE TABLE recording_g1 PARTITION OF recording FOR VALUES FROM (1) TO (2);
INSERT INTO generation (number) VALUES (1);
`;

/**
 * Requests of the minute under way. Not logged: after a crash of the server the minute begins anew, and counting must
 * not wait for the disk. Rows are updated all the time, so each page keeps room for that.
 */
const requestCounts = `
CREATE UNLOGGED TABLE request_count (
  key text COLLATE "C" PRIMARY KEY,
  requests bigint NOT NULL,
  ends_at timestamptz NOT NULL
) WITH (fillfactor = 50);
`;

/**
 * Over how many slices accounts are spread, and were when what is kept was recorded. It becomes breaking with the first
 * account that is spread: a program that knows no slices would miss messages.
 */
const layouts = `
CREATE TABLE layout (
  number bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  account_id bigint NOT NULL,
  slices integer NOT NULL,
  begun_at timestamptz,
  newest_sent_at bigint
);
`;

/** Of the era at hand, while the server has not crashed: unlogged, so a crash empties it. Only looked at on Citus. */
const unbroken = `
CREATE UNLOGGED TABLE unbroken (era integer NOT NULL);
`;

/** A row of each process that reads from replicas, which they show when they are recent. */
const heartbeat = `
CREATE TABLE heartbeat (
  process text COLLATE "C" PRIMARY KEY,
  number bigint NOT NULL,
  beaten_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
`;

/** Logs of other sides that are kept here, how far each is, and the messages of them that are not final yet. */
const mirrors = `
CREATE TABLE mirror (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text COLLATE "C" NOT NULL UNIQUE,
  account_id bigint NOT NULL REFERENCES account,
  url text NOT NULL,
  sealed_key text NOT NULL,
  requests_per_minute integer NOT NULL,
  since_ms bigint NOT NULL,
  created_at bigint NOT NULL,
  pause_reason text,
  paused_at bigint,
  holder text COLLATE "C",
  leased_until timestamptz,
  place text,
  spent text NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
CREATE INDEX mirror_account ON mirror (account_id);

CREATE TABLE mirror_followed (
  mirror_id bigint NOT NULL REFERENCES mirror ON DELETE CASCADE,
  message_id text COLLATE "C" NOT NULL,
  sent_at bigint NOT NULL,
  due_at bigint NOT NULL,
  PRIMARY KEY (mirror_id, message_id)
);
CREATE INDEX mirror_followed_due ON mirror_followed (mirror_id, due_at);
`;

/** A program that knows registered codes alone fails at messages that have others: nothing is changed but that it is told. */
const otherCodes = '';

/**
 * Reports that wait for their messages, by the clock of the database. A program of before leaves them alone: it records
 * a message without those that wait for it.
 */
const waitingReports = `
CREATE TABLE waiting_report (
  account_id bigint NOT NULL,
  number bigint NOT NULL,
  received_at bigint NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  message_id text COLLATE "C" NOT NULL,
  said text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, message_id, number)
);
`;

/** What is added up, and what is past, is found without a look at what each account has. */
const upkeepIndexes = `
CREATE INDEX recording_tx ON recording (tx);
CREATE INDEX cell_end ON cell ((begins_at + span_ms));
CREATE INDEX tally_hour ON tally (hour);
`;

/** What the clock said when the log was last swept: one row. */
const sweepClock = `
CREATE TABLE sweep_clock (
  is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
  seen_at bigint NOT NULL
);
`;

/**
 * What all accounts have together, and up to which transaction it was added: 0 until it is first made of the tallies. A
 * program of before counts in its own way, and leaves them alone.
 */
const totals = `
CREATE TABLE total (
  generation integer NOT NULL,
  hour bigint NOT NULL,
  messages bigint NOT NULL,
  reports bigint NOT NULL,
  oldest_sent_at bigint NOT NULL,
  PRIMARY KEY (generation, hour)
);
CREATE TABLE total_until (
  is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
  until_tx bigint NOT NULL
);
INSERT INTO total_until (until_tx) VALUES (0);
`;

const eraCrashes = `
ALTER TABLE era ADD COLUMN crashes integer NOT NULL DEFAULT 0;
`;

const followedById = `
ALTER TABLE mirror_followed ADD COLUMN by_id smallint NOT NULL DEFAULT 0;
CREATE INDEX mirror_followed_sent ON mirror_followed (mirror_id, sent_at);
`;

/**
 * Blocks of sealed messages, and since when there may be any: no row before the first. With that the step becomes breaking,
 * since a program that knows no blocks would miss messages. Blocks are compressed as they are, and keys cannot be.
 */
const blocks = `
CREATE TABLE block (
  account_id bigint NOT NULL,
  sent_at bigint NOT NULL,
  number bigint NOT NULL,
  oldest_sent_at bigint NOT NULL,
  oldest_number bigint NOT NULL,
  newest_tx bigint NOT NULL,
  taken smallint[] NOT NULL DEFAULT '{}',
  keys integer[] NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (account_id, sent_at, number)
) PARTITION BY RANGE (sent_at);
ALTER TABLE block ALTER bytes SET STORAGE EXTERNAL, ALTER keys SET STORAGE EXTERNAL;
CREATE INDEX block_keys ON block USING gin (keys) WITH (fastupdate = off);
CREATE TABLE sealing (
  is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
  seed integer NOT NULL,
  until_sent_at bigint NOT NULL,
  announced_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
`;

/**
 * What leads to the frames of a block: where each ends, the place of its first message, and of `keys` those that are its own,
 * up to `key_ends`. Keys are looked at more often than all else, so they stay in the row. Nothing could be sealed before: where a block stands all the same, the step fails.
 */
const blockFrames = `
ALTER TABLE block ADD COLUMN messages smallint NOT NULL, ADD COLUMN key_ends smallint[] NOT NULL,
  ADD COLUMN frame_ends integer[] NOT NULL, ADD COLUMN frame_sent_ats bigint[] NOT NULL,
  ADD COLUMN frame_numbers bigint[] NOT NULL;
ALTER TABLE block ALTER keys SET STORAGE MAIN;
CREATE INDEX block_newest_tx ON block (newest_tx);
`;

/**
 * The keys of closed generations, many in a row: by the hashes of their ids, which are in ascending order. Since when all of
 * a generation are there, its `folded_at` tells. Breaking with the first, as blocks are.
 */
const foldedKeys = `
CREATE TABLE folded_key (
  generation integer NOT NULL,
  account_id bigint NOT NULL,
  last_id text COLLATE "C" NOT NULL,
  hashes integer[] NOT NULL,
  sent_ats bigint[] NOT NULL,
  numbers bigint[] NOT NULL,
  PRIMARY KEY (generation, account_id, last_id)
);
ALTER TABLE folded_key ALTER hashes SET STORAGE PLAIN, ALTER sent_ats SET STORAGE MAIN, ALTER numbers SET STORAGE MAIN;
ALTER TABLE generation ADD COLUMN folded_at timestamptz;
`;

export const migrations: readonly Migration[] = [
  { number: 1, name: 'log', sql: log },
  { number: 2, name: 'accounts', sql: accounts },
  { number: 3, name: 'request counts', sql: requestCounts },
  { number: 4, name: 'layouts', sql: layouts },
  { number: 5, name: 'unbroken', sql: unbroken },
  { number: 6, name: 'heartbeat', sql: heartbeat },
  { number: 7, name: 'mirrors', sql: mirrors },
  { number: 8, name: 'other codes', sql: otherCodes, breaking: true },
  { number: 9, name: 'waiting reports', sql: waitingReports },
  { number: 10, name: 'own retention', sql: ownRetention },
  { number: 11, name: 'outbox', sql: outbox },
  { number: 12, name: 'uses', sql: uses },
  { number: 13, name: 'reports', sql: reports },
  { number: 14, name: 'watched pages', sql: watchedPages },
  { number: 15, name: 'counted messages', sql: countedMessages },
  { number: 16, name: 'upkeep indexes', sql: upkeepIndexes },
  { number: 17, name: 'sweep clock', sql: sweepClock },
  { number: 18, name: 'due pushes', sql: duePushes },
  { number: 19, name: 'proven receipts', sql: provenReceipts, breaking: true },
  { number: 20, name: 'report fields', sql: reportFields },
  { number: 21, name: 'totals', sql: totals },
  { number: 22, name: 'implied deliveries', sql: impliedDeliveries },
  { number: 23, name: 'outbox processes', sql: outboxProcesses },
  { number: 24, name: 'era crashes', sql: eraCrashes },
  { number: 25, name: 'error indexes', sql: errorIndexes.map(indexStatement).join(''), indexes: errorIndexes },
  { number: 26, name: 'followed by id', sql: followedById },
  { number: 27, name: 'unknown of conversations', sql: unknownOfConversations },
  { number: 28, name: 'unknown of messages', sql: unknownOfMessages },
  { number: 29, name: 'telling processes', sql: tellingProcesses },
  { number: 30, name: 'retention changes', sql: retentionChanges },
  { number: 31, name: 'seen messages', sql: seenMessages },
  { number: 32, name: 'ended messages', sql: endedMessages },
  { number: 33, name: 'accepted messages', sql: acceptedMessages },
  { number: 34, name: 'messages of persons', sql: messagesOfPersons },
  { number: 35, name: 'open messages', sql: openMessages },
  { number: 36, name: 'blocks', sql: blocks },
  { number: 37, name: 'block frames', sql: blockFrames },
  { number: 38, name: 'folded keys', sql: foldedKeys },
];
