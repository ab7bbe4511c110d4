import { writeXlsxStream } from 'hucre/xlsx';
import { isRecord, parseJson } from '../../../src/client/errors.ts';
import type { Log } from '../../../src/client/index.ts';
import { wholeText } from '../parts/message/content-text.ts';
import { codeName, deliveryMs, momentText, msOf } from '../view/format.ts';
import { fieldText } from '../view/json-text.ts';
import { wallMs, type Zone, zoneName } from '../view/zone.ts';

/** A cell: an id stays a text of digits, a time and a price are numbers. */
type Value = string | number | null;

/** A line of an export, and the text that it was read from. */
type Line = { readonly log: Log; readonly source: string };

type SheetColumn = {
  readonly header: string;
  readonly width: number;
  readonly kind: 'text' | 'time' | 'number';
  /** It may well have several lines. */
  readonly isLong?: boolean;
  readonly value: (line: Line, zone: Zone) => Value;
};

const text = (header: string, width: number, of: (log: Log) => string | undefined): SheetColumn => ({
  header,
  width,
  kind: 'text',
  value: ({ log }) => cellText(of(log)),
});
const time = (header: string, of: (log: Log) => string | undefined): SheetColumn => ({
  header,
  width: 22,
  kind: 'time',
  value: ({ log }, zone) => serialOf(of(log), zone),
});
const number = (header: string, of: (log: Log) => number | undefined): SheetColumn => ({
  header,
  width: 11,
  kind: 'number',
  value: ({ log }) => of(log) ?? null,
});

const errorOf = ({ error }: Log) => (error.id === 0 ? undefined : error);

/** What a column of the table becomes, by its name there. */
const byColumn: Readonly<Record<string, readonly SheetColumn[]>> = {
  time: [time('Sent', log => log.sentAt)],
  sender: [text('Sender', 20, log => log.sender)],
  destination: [text('Destination', 20, log => log.destination)],
  status: [text('Status group', 16, log => log.status.groupName), text('Status', 28, log => codeName(log.status))],
  error: [
    text('Error', 30, log => {
      const error = errorOf(log);
      return error && codeName(error);
    }),
  ],
  content: [
    text('Content type', 14, log => String(log.content.type)),
    { ...text('Text', 60, log => wholeText(log.content)), isLong: true },
  ],
  campaign: [text('Campaign', 20, log => log.campaignReferenceId)],
  application: [text('Application', 18, log => log.platform?.applicationId)],
  entity: [text('Entity', 18, log => log.platform?.entityId)],
  delivery: [
    time('Done', log => log.doneAt),
    number('Took, seconds', log => {
      const ms = deliveryMs(log);
      return ms === undefined ? undefined : ms / 1000;
    }),
  ],
  price: [number('Price', log => log.price?.pricePerMessage), text('Currency', 10, log => log.price?.currency)],
  messageId: [text('Message id', 38, log => log.messageId)],
  bulkId: [text('Bulk id', 38, log => log.bulkId)],
};

/** What the table has no column for. */
const further: readonly SheetColumn[] = [
  number('Parts', log => log.messageCount),
  text('Status description', 40, log => log.status.description),
  text('Error description', 40, log => errorOf(log)?.description),
  {
    header: 'Content',
    width: 60,
    kind: 'text',
    value: ({ source }) => cellText(fieldText(source, 'content')),
  },
];

/** A spreadsheet takes no longer one, and offers to mend what has one; in it, what stands for a character may count in full. */
const cellCharsMax = 32_767;
const cut = ' … (cut)';

/** What XML cannot hold (one of them, and no program opens the file) or reads as another: a return as a line feed. */
const unwritable = '[\\u0000-\\u0008\\u000b-\\u001f\\ufffe\\uffff]';
/** These, and what would be read as standing for a character, also with the beginning of what stands for the next one. */
const escaped = new RegExp(`_x(?=[0-9A-Fa-f]{4}(?:_|${unwritable}))|${unwritable}`, 'g');

/** A text as a cell holds it: what stands in it for a character would be read as that. */
function cellText(value: string | undefined): string | null {
  if (value === undefined || value === '') return null;
  const written = value
    .slice(0, cellCharsMax + 1)
    .toWellFormed()
    .replace(escaped, found =>
      found === '_x' ? '_x005F_x' : `_x${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`,
    );
  if (written.length <= cellCharsMax) return written;
  let kept = '';
  for (const [part] of written.matchAll(/_x[0-9A-F]{4}_|./gsu)) {
    if (kept.length + part.length > cellCharsMax - cut.length) break;
    kept += part;
  }
  return kept + cut;
}

const epochSerial = 25_569;
const dayMs = 86_400_000;
/** 1900-03-01, before which Excel counts a day that never was, and the year 10000. */
const [serialMin, serialEnd] = [61, 2_958_466];

/** A moment as spreadsheets count it: days since 1899-12-30 by the clock of a zone, since they know of none; else a text. */
function serialOf(moment: string | undefined, zone: Zone): Value {
  const ms = moment === undefined ? Number.NaN : msOf(moment);
  if (Number.isNaN(ms)) return null;
  const serial = wallMs(ms, zone) / dayMs + epochSerial;
  return serial >= serialMin && serial < serialEnd ? serial : momentText(ms, zone);
}

/** `0.######` would leave the point behind a whole number: “3.”. */
const formats = { text: '@', time: 'yyyy-mm-dd hh:mm:ss.000', number: 'General' } as const;

/** Which columns go into a spreadsheet: those of the table by their names, or all that there are. */
export function sheetColumns(names: readonly string[] | 'all'): readonly SheetColumn[] {
  const chosen = names === 'all' ? Object.keys(byColumn) : names;
  return [...chosen.flatMap(name => byColumn[name] ?? []), ...(names === 'all' ? further : [])];
}

export type SheetTerms = {
  readonly columns: readonly SheetColumn[];
  /** Whose clock the times are by. */
  readonly zone: Zone;
  readonly onRows: (rows: number) => void;
};

/** An export of NDJSON as an `.xlsx` file, made as it comes; what does not fit on one sheet goes on on the next. */
export function spreadsheetOf(
  lines: ReadableStream<Uint8Array>,
  { columns, zone, onRows }: SheetTerms,
): ReadableStream<Uint8Array> {
  let rows = 0;
  const values = async function* () {
    for await (const line of linesOf(lines)) {
      yield columns.map(column => column.value(line, zone));
      onRows(++rows);
    }
  };
  return writeXlsxStream(values(), {
    name: 'Messages',
    columns: columns.map(({ header: name, width, kind, isLong }) => {
      const header = kind === 'time' ? `${name} (${zoneName(zone)})` : name;
      // Some zones have long names.
      // Of a text of several lines Excel shows all, and LibreOffice the first with a sign that there are more.
      const alignment = { vertical: 'top', ...(isLong && { wrapText: true }) } as const;
      return { header, width: Math.max(width, header.length + 2), numFmt: formats[kind], style: { alignment } };
    }),
    freezePane: { rows: 1 },
  });
}

function isLog(value: unknown): value is Log {
  return isRecord(value) && typeof value.messageId === 'string' && isRecord(value.status) && isRecord(value.error);
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let pending = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const parts = (pending + decoder.decode(value, { stream: !done })).split('\n');
      pending = done ? '' : (parts.pop() ?? '');
      for (const source of parts) {
        if (source === '') continue;
        const log = parseJson(source);
        if (!isLog(log)) throw new Error('a line of the export is no message');
        yield { log, source };
      }
      if (done) return;
    }
  } finally {
    await reader.cancel();
  }
}
