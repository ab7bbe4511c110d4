import type { OutcomeTally } from '../../outcomes.ts';
import type { JournalWriter } from '../rows/journal-writer.ts';
import type { MessageRow, ReportRow } from '../rows/rows.ts';
import type { Move } from '../segment/count-items.ts';
import type { Counts } from '../segment/counts.ts';
import type { FacetMaker } from '../segment/facet-maker.ts';
import { fieldCount } from '../segment/fields.ts';
import { addId, removeId } from '../segment/id-table.ts';
import { groupOfStatus, type PackedBatch } from '../segment/packed-batch.ts';
import {
  type Columns,
  groupOf,
  messagesIn,
  publishedMessages,
  publishedReports,
  reportsIn,
  type SharedSegment,
  setReport,
  setRow,
  setState,
} from '../segment/shared-segment.ts';
import type { WriterOptions } from './writer-options.ts';

/** What a segment takes, and for how long, before the next one begins. */
export type SegmentSize = { readonly messagesMax: number; readonly bytesMax: number; readonly ageMs: number };

type Parts = Pick<ActiveSegment, 'shared' | 'columns' | 'counts' | 'facets' | 'size' | 'createdAt' | 'rows'>;

/** The segment that takes the writes, transaction by transaction: its file and what is kept of it in memory. */
export class ActiveSegment {
  readonly shared: SharedSegment;
  readonly columns: Columns;
  readonly counts: Counts;
  readonly facets: FacetMaker;
  readonly size: SegmentSize;
  readonly createdAt: number;
  readonly rows: JournalWriter;
  /** Those of the open transaction count. */
  messages: number;
  reports: number;
  #rowsTold = 0;

  constructor({ shared, columns, counts, facets, size, createdAt, rows }: Parts) {
    this.shared = shared;
    this.columns = columns;
    this.counts = counts;
    this.facets = facets;
    this.size = size;
    this.createdAt = createdAt;
    this.rows = rows;
    this.messages = messagesIn(shared);
    this.reports = reportsIn(shared);
  }

  /** How long its journal is, with what the open transaction takes. */
  get bytes(): number {
    return this.rows.bytes;
  }

  /** Takes the row of a record of a batch; its ordinal is the next. */
  message(row: MessageRow, batch: PackedBatch, index: number): void {
    const { shared, columns } = this;
    const ordinal = row.ordinal;
    this.rows.insertMessage(row);
    const group = groupOfStatus(row.status);
    setRow(columns, ordinal, row.account, row.sentAt, group);
    for (let field = 0; field < fieldCount; field++) {
      const column = columns.hashes[field];
      const hash = batch.hashes[index * fieldCount + field] ?? 0;
      // Of a field that no message has, no memory is written: it takes none.
      if (column !== undefined && column[ordinal] !== hash) column[ordinal] = hash;
    }
    addId(columns, ordinal);
    setState(shared, ordinal, 0, group);
    this.counts.message(row);
    this.facets.message(row);
    this.messages++;
  }

  /** `moves`: in the counts. */
  report(row: ReportRow, moves: readonly Move[]): void {
    this.rows.insertReport(row);
    const place = row.sequence - this.shared.firstSequence;
    setReport(this.columns, place, row.account, row.message, groupOfStatus(row.status));
    this.counts.report(row.account, row.sentAt, moves);
    this.facets.report(row, this.shared.firstSequence);
    this.reports++;
  }

  /** Ends the transaction: what it took is durable, and still to be published. `outcomes` is told what it came to. */
  commit(outcomes: OutcomeTally): void {
    this.rows.commit();
    this.counts.commit(outcomes);
    const { groupCounts, sentAtRange } = this.shared;
    for (let ordinal = messagesIn(this.shared); ordinal < this.messages; ordinal++) {
      const group = groupOf(this.shared, ordinal);
      groupCounts[group] = (groupCounts[group] ?? 0) + 1;
      const sentAt = this.columns.sentAt[ordinal] ?? 0;
      sentAtRange[0] = Math.min(sentAtRange[0] ?? Infinity, sentAt);
      sentAtRange[1] = Math.max(sentAtRange[1] ?? -Infinity, sentAt);
    }
  }

  /** Shows what is durable to every thread. */
  publish(): void {
    this.facets.publish();
    // In this order: whoever sees a report published sees its message, too.
    Atomics.store(this.shared.published, publishedMessages, this.messages);
    Atomics.store(this.shared.published, publishedReports, this.reports);
  }

  /** Tells what a checkpoint needs beside the columns, each time so many rows more are published. */
  tellGrown({ checkpointRows, tell }: Pick<WriterOptions, 'checkpointRows' | 'tell'>): void {
    const rows = this.messages + this.reports;
    if (rows < this.#rowsTold + checkpointRows) return;
    this.#rowsTold = rows;
    const reach = this.columns.places.reach.slice();
    const { id: segmentId } = this.shared;
    tell({ type: 'grown', segmentId, counts: this.counts.pack(), meanings: this.facets.meanings(), reach });
  }

  /** After a failed transaction: memory and file as they were. */
  undo(): void {
    for (let ordinal = this.messages - 1; ordinal >= messagesIn(this.shared); ordinal--)
      removeId(this.columns, ordinal);
    this.counts.undo();
    this.messages = messagesIn(this.shared);
    this.reports = reportsIn(this.shared);
    this.rows.rollback();
  }
}
