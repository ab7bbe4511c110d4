import type { CaseResult } from './bench.ts';
import type { Row } from './judge.ts';
import { cellsOf, columns, rowsOf, table, wholeRange } from './table.ts';
import { verdict } from './verdict.ts';

export type ReportHead = {
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly machine: readonly string[];
  readonly rounds: number;
  readonly spread: string;
  readonly smoke: boolean;
};

/** The results as a Markdown document. */
export function markdown(head: ReportHead, results: readonly CaseResult[]): string {
  const sections = results.map(result => section(result));
  return `${[...introduction(head), ...(head.smoke ? [] : [verdict(results)]), ...sections, method(head)].join('\n\n')}\n`;
}

function introduction(head: ReportHead): readonly string[] {
  const minutes = Math.max(1, Math.round(head.durationMs / 60_000));
  return [
    '# Benchmarks',
    ...(head.smoke ? ['**A smoke run: it shows that everything runs. Its figures mean nothing.**'] : []),
    [
      `Measured on ${head.startedAt.toISOString().slice(0, 10)} in ${minutes} min by \`npm run bench\`, on`,
      '',
      ...head.machine.map(line => `- ${line}`),
    ].join('\n'),
  ];
}

function method({ rounds, spread: order }: ReportHead): string {
  const arrival = order === 'shuffled' ? 'in no order of `sentAt`' : 'in about the order of `sentAt`';
  return `## How it is measured

- ${rounds === 1 ? 'There was one round.' : `A figure is the median of ${rounds} rounds, with the least and the greatest in brackets.`}
  Each round starts fresh server processes; the order of the drivers turns round from one to the next.
  A ratio is that of figures of the same round.
- Every driver is a server of its own process behind the same HTTP routes, with the same authentication, bundled
  as the package's program is and started with the arguments that \`sentlog serve\` gives Node. The load generator is a
  third process on the same machine, on 127.0.0.1.
- *One SQLite file* is a table with an index for each filter, WAL, \`synchronous=FULL\`, one transaction a batch.
  *sentlog over PostgreSQL* has 16 connections a process, of which 8 record, and the same server. *One PostgreSQL table*
  has the same columns and indexes; batches go in by \`unnest\`, over 8 connections; default settings but for
  \`shared_buffers=1GB\`. Both follow the same report rules, which \`agreement\` checks.
- Two processes are measured beside one by turns on one log: one, both, both, the other one. The load is the same, and
  half of it each gets of the two. Room is the number of cores by those busy with one process, whoever kept them so, and
  2 at most: where it is below what is to be reached, cores are what is lacking, and nothing is judged.
- The messages of each log stand above its table. Where a comparator's is smaller, since its own size would take hours,
  its figures are those of a log that is easier to write to and to search. Where sentlog was measured on a log of
  that size too, the ratio is that of equal logs.
- A log is generated from a fixed seed: about 660 bytes a message as JSON, spread over 48 hours, recorded
  ${arrival}; 10 senders, 20 campaigns, 5 applications with 5 entities, bulks of 100 to 10,000, a hundredth of the destinations
  with a fifth of the messages, 1 of 100,000 expired, and a sender and a campaign that ten messages have.
- *Server side* is from the request's headers being read to the answer being handed to the kernel; *end to end* is what
  the load generator saw. Requests are sent one after the other there, after a few that are not counted.
- Listeners to the stream are plain connections of the load generator, which looks for each message at each of them;
  what that takes of the machine is in the times of the batches, too.
  The plain tables are looked at every 100 ms, by the ids that their rows were given.
- A mirror and the simulated Infobip it reads, which the bench's own process serves, have a clock that is put forward
  with each request; webhooks alone take their time. The loop beside it reads the newest every ten seconds, and with
  what is left of the budget all 48 hours over and over, into one SQLite file. A final status that it had not seen at
  the end counts as seen then.
- Sending goes from the whole server, as \`sentlog serve\` starts it, to a simulated Meta in a fourth process, which calls
  its webhook with an echo, a delivery and a read of each message. Beside it stands a table of jobs, sent the oldest first
  over the same connections: no order in a conversation, no rate of a page, no reports, no log, and what a crash
  interrupted is sent again. There memory is that of the server process alone.
- Memory is that of the server process; with PostgreSQL its processes are added, shared memory counted once.
  Disk is that of a log whose background work has ended.`;
}

function section(result: CaseResult): string {
  const rows = rowsOf(result);
  return [
    `## ${result.case.title}`,
    '',
    `\`--case ${result.case.name}\`, ${messagesText(rows)}`,
    '',
    ...table(
      columns,
      rows.map(row => cellsOf(row, wholeRange)),
    ),
  ].join('\n');
}

function messagesText([row]: readonly Row[]): string {
  const sizes = [
    ['sentlog', row?.sentlog],
    ['sentlog, smaller log', row?.smaller],
    ['sentlog over PostgreSQL', row?.overPostgres],
    ['SQLite', row?.sqlite],
    ['PostgreSQL', row?.postgres],
  ] as const;
  const known = sizes.flatMap(([name, measurement]) =>
    measurement === undefined ? [] : [`${name} ${measurement.messages.toLocaleString('en-US')}`],
  );
  return `messages: ${known.join(', ')}.`;
}
