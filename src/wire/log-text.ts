import type { LogRecord } from '../domain/message.ts';

/** The forms a page of logs is rendered in: `json` is logs joined by commas, `ndjson` and `csv` one log a line. */
export type LogForm = 'json' | 'ndjson' | 'csv';

/** One log in the vendor's JSON, fields in the vendor's order, absent fields left out. */
export function logJson(_log: LogRecord): string {
  throw new Error('not built yet');
}

export function renderLogs(_logs: readonly LogRecord[], _form: LogForm): string {
  throw new Error('not built yet');
}
