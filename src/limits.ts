import assert from 'node:assert/strict';

/** Every bound of the program in one place. A setting may lower some of them; nothing may exceed them. */
export const limits = Object.freeze({
  /** Characters of `sender`, `destination`, `bulkId`, `campaignReferenceId`, `entityId`, `applicationId`. */
  idCharsMax: 255,
  messageIdCharsMax: 200,
  contentBytesMax: 64 * 1024,
  messageCountMax: 1000,
  /**
   * Of `pricePerMessage`, in whatever currency: what a message cost, times `messageCount`, is summed up in billionths.
   * Any real price is far below, and sums over any number of messages stay finite and exact to 15 digits.
   */
  pricePerMessageMax: 10_000_000,
  /** Characters of a status or error `description`, and of a status `action`. */
  descriptionCharsMax: 1000,

  /**
   * Every list of a filter: all values of the parameter together. It is the vendor's bound of `bulkId` and `messageId`;
   * what is asked of each message must be bounded for the others too.
   */
  idListCharsMax: 2048,
  /** What `text` asks for: characters of it, and how many words or phrases. */
  textCharsMax: 200,
  textTermsMax: 20,
  /** A part of an id is found by so many characters of it. */
  textPartCharsMin: 4,
  /** How long messages are looked through for a page; then it ends, and tells how far it came. */
  textBudgetMs: 1_000,
  urlBytesMax: 64 * 1024,
  pageLogsDefault: 50,
  pageLogsMax: 1000,

  jsonBodyBytesMax: 10 * 1024 * 1024,
  /** Fields of the object that a long body is. */
  bodyFieldsMax: 100,
  /** A line of NDJSON, content and all; a longer one is rejected without being held. */
  ndjsonLineBytesMax: 256 * 1024,
  /** Rejections listed in one answer; further ones are only counted, so that an answer is bounded. */
  rejectionsListedMax: 1000,
  /** Characters of what a caller sent that are looked at before everybody else has a turn. */
  stretchChars: 250_000,

  /** Records handed to the store in one call. */
  batchRecordsMax: 1000,
  /** Records taken but not yet durable, over all requests: beyond it, callers wait. */
  queuedRecordsMax: 64_000,
  /** Characters of content in those. */
  queuedCharsMax: 64 * 1024 * 1024,
  /** The journal of one segment: contents of 64 KiB fill a segment long before its messages are counted out. */
  segmentBytesMax: 1024 * 1024 * 1024,
  /** So many times that, where there are nearly as many segments as there may be. */
  segmentBytesFactorMax: 8,
  /** Names of one kind that keep their number in the open `/metrics`, beside those that are told of. */
  numberedNamesMax: 10_000,
  /** A clock that moved on so much more than the time that went by is not believed at once. */
  clockLeapMs: 3_600_000,
  /** Segments of a log: the table of known ids has room for no more. */
  segmentsHeldMax: 4094,

  /** Rows of a segment after which what is kept of it in memory is written down: a start reads those behind alone. */
  checkpointRows: 50_000,

  /** Records of one transaction. */
  groupRecordsMax: 8_000,
  /** What one transaction of the embedded engine may take, but for its last record: everybody else waits meanwhile. */
  sliceMs: 25,
  /** Characters of content in one transaction of a database, unless they are of one batch: it is held twice while sent. */
  groupCharsMax: 8 * 1024 * 1024,

  /** Messages of one account that are copied into another store by one transaction, and characters of their contents. */
  copyRecordsMax: 2000,
  copyCharsMax: 8 * 1024 * 1024,
  /** Messages read at once for that: where there are many accounts, enough of each. */
  copyStretchRecordsMax: 64_000,
  copyStretchCharsMax: 64 * 1024 * 1024,

  /** Ids of accounts are below it; slices of accounts that are spread have numbers from here on. */
  accountIdEnd: 2 ** 40,
  /** Of accounts that the log knows and that are not there, so many are named. */
  lostAccountsNamedMax: 20,
  /** Slices over which one account may be spread: each page asks each of them. */
  accountSlicesMax: 64,
  /** Layouts of an account that still have messages: an unknown id is looked for in each of them. */
  accountLayoutsMax: 8,
  /** How long a process may go by the layouts it knows; a new one is announced for longer before it begins. */
  layoutAgeMs: 5_000,

  /** What answers on their way hold, over all requests: beyond it, those that are not read are given up. */
  answersBytesMax: 256 * 1024 * 1024,
  /** A page of an export is about so long: exports that nobody reads hold one each. */
  exportPageBytes: 1024 * 1024,

  summaryBucketsDefault: 60,
  summaryBucketsMax: 200,
  /** What a summary may take; what is not counted by then is left out. */
  summaryBudgetMs: 500,
  /** The same of a summary that is broken down: it is asked for less often, and looks at every message of its time. */
  breakdownBudgetMs: 2_000,
  /** Fields that figures are broken down by at once. */
  breakdownFieldsMax: 2,
  /** Beyond so many different values, what figures are broken down by is no longer told apart. */
  breakdownRowsMax: 5_000,
  /** Figures of one part of the time, over PostgreSQL: some dozens of each row. */
  breakdownFiguresMax: 100_000,
  breakdownRowsShownDefault: 10,
  breakdownRowsShownMax: 100,

  /** Keys and users that an account may have by its own making; so many keys are listed, the oldest that have ended go. */
  managedKeysMax: 1000,
  managedAccountsMax: 1000,
  managedUsersMax: 1000,
  /** Mirrors that an account may have by its own making: each asks another side time and again, and is looked after each second. */
  managedMirrorsMax: 20,
  /** Pages that an account may have by its own making. */
  managedSendersMax: 100,

  /** How often the credential of an upload, an export or a stream is looked at again while it goes on. */
  credentialCheckMs: 500,

  /** Listeners to the stream. */
  accountListenersMax: 1000,
  listenersMax: 2000,
  /** Values that the filters of an account's listeners name together, and those of all: some 60 bytes each. */
  accountListenerValuesMax: 250_000,
  listenersValuesMax: 1_000_000,
  /** What one listener may leave unread before it is dropped, and all of them together. */
  listenerBytesMax: 4 * 1024 * 1024,
  listenersBytesMax: 128 * 1024 * 1024,
  /** What is read ahead for a listener that catches up. */
  catchUpBytesMax: 64 * 1024,
  /** Listeners that read from the store to catch up at the same time: further ones wait. */
  catchUpsMax: 4,
  /** Changes that are read for a stream at once. */
  streamChangesMax: 250,

  replicasMax: 16,

  /** A secret of the operator: shorter ones can be guessed. Two are named while one replaces the other. */
  secretCharsMin: 32,
  secretsMax: 2,

  /** What one answer of another log may take, and hold; and how long it may have a mirror wait. */
  upstreamAnswerMs: 60_000,
  upstreamAnswerBytesMax: 96 * 1024 * 1024,
  upstreamAnswerValuesMax: 8_000_000,
  /** A page has a thousand of them. */
  upstreamRowsMax: 10_000,
  upstreamCursorCharsMax: 8192,
  upstreamPauseMsMax: 60 * 60_000,
  mirrorRequestsPerMinuteMax: 600,
  /** Pages of one side that a check of a mirror reads; messages that one side alone has shown meanwhile, or that differ. */
  checkPagesMax: 20_000,
  checkSuspectsMax: 20_000,
  /**
   * How long a check may compare, since others wait for it, and as long again what differs is asked for again; and how long
   * it waits where the log here cannot be asked.
   */
  checkMs: 3_600_000,
  checkOutageMs: 10 * 60_000,
  /** Differences that the line of a check in the operator's log names; further ones are counted. */
  checkDifferencesToldMax: 20,
  /** Meta batches up to a thousand events, and bodies beyond 300 KB were seen. What is longer it never sends. */
  metaWebhookBodyBytesMax: 1024 * 1024,
  /** Its events, and the characters and values of JSON of one of them: far more than any of Meta's has. */
  metaWebhookEventsMax: 10_000,
  metaEventCharsMax: 256 * 1024,
  metaEventValuesMax: 10_000,
  /** Of a body that names no page of ours: its bytes, and the secrets that are tried on it. */
  strangeWebhookBytesMax: 64 * 1024,
  strangeWebhookSecretsMax: 1000,
  /** The vendor sends up to 2,000 reports in one webhook. */
  webhookBodyBytesMax: 4 * 1024 * 1024,
  /**
   * Reports of one webhook; characters of each, some hundred of them in truth and up to 24,000 where all of its 4,000 of
   * `callbackData` are escaped; its tags where it is XML; and of what stands around all of them.
   */
  webhookReportsMax: 10_000,
  webhookResultCharsMax: 32 * 1024,
  webhookResultTagsMax: 1000,
  webhookFrameCharsMax: 16 * 1024,

  /** What whoever is told of traces and metrics may take for the last of them, each, when the server ends. */
  telemetryFlushMs: 2_000,
  /** Messages of which is known, while they wait to be sent, what asked for them: some 300 bytes each. */
  tracedMessagesMax: 10_000,

  /** What a database, or a node of it, may take to answer whoever looks whether it does: beyond it, it is away. */
  databaseAnswerMsMax: 3_000,
  /** How long a start waits for a database that is away. */
  databaseWaitMs: 5 * 60_000,

  /** JSON of a request to send that is parsed in one piece: its characters, and its values. */
  sendPieceCharsMax: 256 * 1024,
  sendValuesMax: 40_000,
  /** Messages of one request to send, counted by destination, and characters of their contents together. */
  sendMessagesMax: 10_000,
  sendCharsMax: 32 * 1024 * 1024,
  /** How far ahead a message may be scheduled, and how long it may be tried for (the vendor's bounds). */
  sendAheadMs: 180 * 24 * 3_600_000,
  sendValidityMs: 48 * 3_600_000,
  /** How long the log shows at least that a message has expired, before it no longer keeps it. */
  expiryShownMs: 10 * 60_000,
  /** How long no message expires by a clock that leapt. */
  expiryHoldMs: 15 * 60_000,

  /**
   * Reports that wait for their messages: on one message, of one account (of each slice of one that is spread), and of all;
   * and how long they wait.
   */
  waitingOnMessageMax: 500,
  waitingOfAccountMax: 10_000,
  waitingMax: 50_000,
  waitingMs: 3_600_000,

  /** Reports before it that a report is compared with, to tell whether it only repeats one. */
  repeatsSoughtMax: 32,
  /** Reports that the timeline of a message shows: the first ones and the newest; those between are counted. */
  timelineFirstMax: 100,
  timelineNewestMax: 100,

  /** Of a message whose outcome is unknown: how long its echo is waited for, and how long the next of its conversation waits. */
  echoWaitMs: 15 * 60_000,
  conversationHoldMs: 10_000,
  /** How long a message waits at most until it is tried again; one with a time of day to be sent at may wait for that. */
  sendAgainMsMax: 90_000,
  /** How long a receipt of a message that is not known yet is kept. */
  parkedMs: 3_600_000,
  /** Sends at the same time, over all pages. */
  sendingMax: 256,
  /** Those, and messages that were sent and of which that is not kept yet. */
  unsettledMax: 512,
  /** Meta's own bounds for a page, a second. */
  textsPerSecond: 300,
  mediaPerSecond: 10,
  /** How long a report waits to be fetched or pushed (the vendor's). */
  reportsMs: 48 * 3_600_000,
  /** Reports of one push. */
  pushReportsMax: 100,
  /** How often a report is pushed again (the vendor's), and how many pushes go on at the same time; what each may take: its answer in time, and in bytes. */
  pushRetriesMax: 20,
  pushesMax: 32,
  /** Of these, how many may be an account's, and how many to one origin of its choice: dead receivers are to hold up no other. */
  pushesOfAccountMax: 16,
  pushesOfOriginMax: 8,
  pushMsMax: 10_000,
  pushAnswerBytesMax: 64 * 1024,
  /** Messages that one call ends, makes due or forgets. */
  outboxStepMax: 1000,

  /** How far in the future a message may be sent, and what a report says may have happened: clocks differ. */
  futureSkewMs: 5 * 60_000,
  /** What settings may lead to: a log has some more for a while, one for each start among them. */
  segmentsMax: 4000,
  /** A page is planned, and its locks are taken, for all partitions there are. */
  partitionsMax: 1000,
  /**
   * What one partition spans, unless that is set, where more messages than this are recorded in an hour, so that the
   * indexes of four hours may not fit into memory, or they are kept for less than this, of which four hours would be much.
   */
  partitionMs: 3_600_000,
  partitionPerHour: 2_000_000,
  partitionRetentionMs: 24 * 3_600_000,
  /** What it spans elsewhere: a page begins reading in each partition that may hold what it asks for. */
  partitionQuietMs: 4 * 3_600_000,
  /**
   * How far ahead partitions stand on Citus, which makes none while it moves any shard: one of 100 GB takes three hours at
   * 10 MB/s, and those of a worker move one after the other. Each that stands ahead is a part of every plan, so no more
   * than so many, however narrow they are.
   */
  partitionsAheadOnCitusMs: 12 * 3_600_000,
  partitionsAheadMax: 24,
  /**
   * On Citus, where each partition takes a table and its indexes for every shard, what is missing at once is made as one
   * of up to this width: what is recorded for the last day needs a few, instead of one for each hour.
   */
  partitionsTogetherOnCitusMs: 12 * 3_600_000,
  /** The messages of one block of a database: how many at most, and how far apart the first and the last were sent. */
  blockMessagesMax: 256,
  blockSpanMsMax: 4 * 3_600_000,
  /** Of an account with fewer in a partition they stay rows. */
  blockMessagesMin: 16,
  /** How long messages may be kept at least, and at most. */
  retentionMsMin: 1000,
  retentionMsMax: 3650 * 24 * 3_600_000,
});

assert(limits.pageLogsDefault <= limits.pageLogsMax);
assert(limits.batchRecordsMax <= limits.groupRecordsMax && limits.groupRecordsMax <= limits.queuedRecordsMax);
assert(limits.ndjsonLineBytesMax > limits.contentBytesMax && limits.ndjsonLineBytesMax <= limits.jsonBodyBytesMax);
assert(limits.summaryBucketsDefault <= limits.summaryBucketsMax);
assert(limits.accountListenersMax <= limits.listenersMax && limits.listenerBytesMax <= limits.listenersBytesMax);
assert(limits.waitingOnMessageMax <= limits.waitingOfAccountMax && limits.waitingOfAccountMax <= limits.waitingMax);
assert(limits.repeatsSoughtMax <= limits.timelineNewestMax);
assert(limits.catchUpBytesMax <= limits.listenerBytesMax && limits.streamChangesMax <= limits.pageLogsMax);
