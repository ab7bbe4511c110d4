/**
 * Messages on their way, and the pages that they are sent over. On Citus these tables stay on the coordinator. Times are
 * milliseconds by the clock of the process that wrote them; leases go by that of the database. What the columns mean is
 * said with the embedded engine's, `src/outbox/sqlite/outbox-file.ts`.
 *
 * Whatever changes messages of a page holds the row of that page.
 */
export const outbox = `
CREATE TABLE sender (
  account_id bigint NOT NULL,
  page text COLLATE "C" NOT NULL,
  name text COLLATE "C",
  price text COLLATE "C",
  sealed_token text COLLATE "C",
  sealed_app_secrets text COLLATE "C" NOT NULL,
  changed_at bigint NOT NULL,
  PRIMARY KEY (account_id, page)
);

CREATE SEQUENCE outbox_place AS bigint INCREMENT BY 16384 MINVALUE 16384 NO CYCLE;

CREATE TABLE outbox_page (
  sender text COLLATE "C" NOT NULL,
  account_id bigint NOT NULL,
  holder text COLLATE "C",
  leased_until timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sender, account_id)
) WITH (fillfactor = 50);
CREATE INDEX outbox_page_holder ON outbox_page (holder);

CREATE TABLE outbox_message (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  account_id bigint NOT NULL,
  place bigint NOT NULL,
  accepted_at bigint NOT NULL,
  due_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  deadline bigint,
  claimed_at bigint,
  meta_at bigint,
  seen_at bigint,
  last_error integer,
  tries integer NOT NULL DEFAULT 0,
  lane smallint NOT NULL,
  state smallint NOT NULL,
  delivery smallint NOT NULL DEFAULT 0,
  is_head boolean NOT NULL,
  is_echoed boolean NOT NULL DEFAULT false,
  message_id text COLLATE "C" NOT NULL,
  sender text COLLATE "C" NOT NULL,
  destination text COLLATE "C" NOT NULL,
  claimer text COLLATE "C",
  mid text COLLATE "C",
  psid text COLLATE "C",
  price text COLLATE "C",
  body text COLLATE "C" NOT NULL
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX outbox_message_by_id ON outbox_message (message_id, account_id);
CREATE INDEX outbox_message_ready ON outbox_message (account_id, sender, lane, due_at, id) WHERE is_head;
CREATE INDEX outbox_message_scheduled ON outbox_message (due_at) WHERE state = 0;
CREATE INDEX outbox_message_claimed ON outbox_message (account_id, sender) WHERE state = 2;
CREATE INDEX outbox_message_of_conversation ON outbox_message (account_id, sender, destination, place)
  WHERE state IN (1, 2, 3);
CREATE INDEX outbox_message_by_deadline ON outbox_message (deadline) WHERE deadline IS NOT NULL;
CREATE INDEX outbox_message_by_mid ON outbox_message (sender, mid) WHERE mid IS NOT NULL;
CREATE INDEX outbox_message_undelivered ON outbox_message (sender, psid, meta_at) WHERE state = 4 AND delivery = 0;
CREATE INDEX outbox_message_unseen ON outbox_message (sender, psid, meta_at) WHERE state = 4 AND seen_at IS NULL;
CREATE INDEX outbox_message_by_acceptance ON outbox_message (accepted_at);

CREATE TABLE outbox_step (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  message bigint NOT NULL,
  happened_at bigint NOT NULL,
  is_first boolean NOT NULL DEFAULT false,
  status integer,
  error integer,
  done_at bigint,
  seen_at bigint,
  with_price boolean NOT NULL DEFAULT false,
  teller text COLLATE "C",
  taken_until timestamptz
) WITH (fillfactor = 70);
CREATE INDEX outbox_step_of_message ON outbox_step (message, id);

CREATE TABLE outbox_conversation (
  page text COLLATE "C" NOT NULL,
  psid text COLLATE "C" NOT NULL,
  delivered_to bigint,
  delivered_at bigint,
  read_to bigint,
  read_at bigint,
  changed_at bigint NOT NULL,
  PRIMARY KEY (page, psid)
) WITH (fillfactor = 70);
CREATE INDEX outbox_conversation_by_change ON outbox_conversation (changed_at);

CREATE TABLE outbox_parked (
  page text COLLATE "C" NOT NULL,
  mid text COLLATE "C" NOT NULL,
  delivered_at bigint NOT NULL,
  parked_at bigint NOT NULL,
  PRIMARY KEY (page, mid)
);
CREATE INDEX outbox_parked_by_time ON outbox_parked (parked_at);
`;

/** Reports on messages: final ones, which one caller is given, and what is pushed. */
export const reports = `
ALTER TABLE outbox_message ADD COLUMN sent_at bigint, ADD COLUMN is_reported boolean NOT NULL DEFAULT false;
UPDATE outbox_message SET sent_at = greatest(accepted_at, due_at);

CREATE TABLE outbox_report (
  id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  message bigint NOT NULL,
  account_id bigint NOT NULL,
  made_at bigint NOT NULL,
  moment bigint,
  push_at bigint,
  status integer,
  error integer,
  push_tries integer NOT NULL DEFAULT 0,
  kind smallint NOT NULL,
  is_open boolean NOT NULL,
  url text COLLATE "C",
  taker text COLLATE "C",
  taken_until timestamptz,
  push_taken_until timestamptz
) WITH (fillfactor = 70);
CREATE INDEX outbox_report_open ON outbox_report (account_id, id) WHERE is_open;
CREATE INDEX outbox_report_to_push ON outbox_report (account_id, url, push_at, id) WHERE push_at IS NOT NULL;
CREATE INDEX outbox_report_by_age ON outbox_report (made_at);
CREATE INDEX outbox_report_of_message ON outbox_report (message);

CREATE TABLE report_place (
  account_id bigint PRIMARY KEY,
  delivery_url text COLLATE "C",
  seen_url text COLLATE "C",
  content_type text COLLATE "C" NOT NULL,
  sealed_secret text COLLATE "C",
  changed_at bigint NOT NULL
);
`;

/** Pages whose messages of others are kept too. */
export const watchedPages = `
ALTER TABLE sender ADD COLUMN is_watched boolean NOT NULL DEFAULT false;
`;

/** So that messages are counted in indexes alone. */
export const countedMessages = `
CREATE INDEX outbox_message_unknown ON outbox_message (id) WHERE state = 3;
`;

/** So that what is to be pushed later is not looked at before. */
export const duePushes = `
CREATE INDEX outbox_report_due ON outbox_report (account_id, push_at, id) WHERE push_at IS NOT NULL;
`;

/** What is heard counts for the accounts that it was proven for. Of what was kept so far nobody knows which those are. */
export const provenReceipts = `
TRUNCATE outbox_conversation, outbox_parked;
ALTER TABLE outbox_conversation DROP CONSTRAINT outbox_conversation_pkey, ADD COLUMN account_id bigint NOT NULL,
  ADD PRIMARY KEY (account_id, page, psid);
ALTER TABLE outbox_parked DROP CONSTRAINT outbox_parked_pkey, ADD COLUMN account_id bigint NOT NULL,
  ADD PRIMARY KEY (account_id, page, mid);
DROP INDEX outbox_message_by_mid, outbox_message_undelivered, outbox_message_unseen;
CREATE INDEX outbox_message_by_mid ON outbox_message (account_id, sender, mid) WHERE mid IS NOT NULL;
CREATE INDEX outbox_message_undelivered ON outbox_message (account_id, sender, psid, meta_at)
  WHERE state = 4 AND delivery = 0;
CREATE INDEX outbox_message_unseen ON outbox_message (account_id, sender, psid, meta_at)
  WHERE state = 4 AND seen_at IS NULL;
`;

/** What reports are filtered by. `has_fields`: they stand here, since the program that made the report knew these columns. */
export const reportFields = `
ALTER TABLE outbox_report
  ADD COLUMN has_fields boolean NOT NULL DEFAULT false,
  ADD COLUMN bulk_id text COLLATE "C",
  ADD COLUMN entity_id text COLLATE "C",
  ADD COLUMN application_id text COLLATE "C",
  ADD COLUMN campaign_reference_id text COLLATE "C";
`;

/** So that a message's own receipt goes before what was implied. A program of before leaves it empty. */
export const impliedDeliveries = `
ALTER TABLE outbox_message ADD COLUMN implied_at bigint;
`;

/** Processes that send, until when they are known to be there: each has its share of the pages. */
export const outboxProcesses = `
CREATE TABLE outbox_process (
  name text COLLATE "C" PRIMARY KEY,
  alive_until timestamptz NOT NULL
);
`;

/** Whether a conversation has a message of which nobody knows what became; so they are counted, too. */
export const unknownOfConversations = `
CREATE INDEX outbox_message_unknown_of ON outbox_message (account_id, sender, destination, claimed_at) WHERE state = 3;
`;

/** A step of its own: what makes an index lets others read, and must not wait for them while it keeps them from writing. */
export const unknownOfMessages = `
DROP INDEX outbox_message_unknown;
`;

/**
 * What each process is telling the log: messages whose steps no other tells meanwhile. A program of before notes that at each
 * step, and might tell what another one tells: the log takes it for a repeat.
 */
export const tellingProcesses = `
CREATE TABLE outbox_telling (
  teller text COLLATE "C" PRIMARY KEY,
  messages bigint[] NOT NULL,
  taken_until timestamptz NOT NULL
) WITH (fillfactor = 50);
`;

/** So that a read that comes after a later one corrects what that one told. */
export const seenMessages = `
CREATE INDEX outbox_message_seen ON outbox_message (account_id, sender, psid, meta_at) WHERE seen_at IS NOT NULL;
`;

/**
 * What is dropped one day is in this index once it has ended, and not from the start on: each change of a message would
 * write it there anew.
 */
export const endedMessages = `
CREATE INDEX outbox_message_ended ON outbox_message (accepted_at) WHERE state > 3 AND deadline IS NULL;
`;

/** A step of its own: what makes an index lets others read, and must not wait for them while it keeps them from writing. */
export const acceptedMessages = `
DROP INDEX outbox_message_by_acceptance;
`;

/** One index of what a person was sent, in place of one for each thing that may be heard of it: those changed with each. */
export const messagesOfPersons = `
CREATE INDEX outbox_message_of_person ON outbox_message (account_id, sender, psid, meta_at) WHERE meta_at IS NOT NULL;
`;

/** A step of its own: what makes an index lets others read, and must not wait for them while it keeps them from writing. */
export const openMessages = `
DROP INDEX outbox_message_undelivered, outbox_message_unseen, outbox_message_seen;
`;
