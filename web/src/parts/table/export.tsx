import { useEffect, useRef, useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import { refusalToExport } from '../../api/trouble.ts';
import { type ExportFormat, gather, lineCounter, type Progress, save } from '../../log/export.ts';
import { useSummary } from '../../log/use-summary.ts';
import { type Page, usePage } from '../../page-context.ts';
import { bytesText, countText } from '../../view/format.ts';
import { filterOf } from '../../view/view.ts';
import { zoneName } from '../../view/zone.ts';
import { Dialog } from '../forms/dialog.tsx';
import type { Column } from './columns.tsx';

type State =
  | { readonly step: 'asking' }
  | { readonly step: 'running' | 'done'; readonly progress: Progress }
  | { readonly step: 'failed'; readonly reason: string };

const none: Progress = { rows: 0, bytes: 0 };

/** What is exported: of a spreadsheet also which columns, by their names in the table. */
type Choice = { readonly format: ExportFormat; readonly columns: readonly string[] | 'all' };

async function run(
  page: Page,
  { format, columns }: Choice,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
) {
  // Only those who want a spreadsheet load what makes it.
  const sheets = format === 'xlsx' ? await import('../../log/spreadsheet.ts') : undefined;
  const filter = filterOf(page.view, nowMs());
  const lines = format === 'csv' ? 'csv' : 'ndjson';
  const whole = await page.api.client.exportLogs(filter, { format: lines, signal });
  let latest = none;
  const onBytes = ({ rows, bytes }: Progress) => {
    latest = { rows, bytes };
    onProgress(latest);
  };
  const onRows = (rows: number) => onBytes({ ...latest, rows });
  const sheet = sheets?.spreadsheetOf(whole, { columns: sheets.sheetColumns(columns), zone: page.view.zone, onRows });
  const file =
    sheet === undefined
      ? await gather(whole, format, lineCounter(lines), onBytes)
      : await gather(sheet, format, () => latest.rows, onBytes);
  signal.throwIfAborted();
  save(file, `sentlog-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`);
}

function useExport() {
  const page = usePage();
  const [state, setState] = useState<State>({ step: 'asking' });
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = async (choice: Choice) => {
    const controller = new AbortController();
    const { signal } = controller;
    running.current = controller;
    let latest = none;
    let shownMs = 0;
    setState({ step: 'running', progress: none });
    const onProgress = (progress: Progress) => {
      latest = progress;
      if (performance.now() - shownMs < 100) return;
      shownMs = performance.now();
      setState({ step: 'running', progress });
    };
    try {
      await run(page, choice, onProgress, signal);
      setState({ step: 'done', progress: latest });
    } catch (error) {
      if (!signal.aborted) setState({ step: 'failed', reason: refusalToExport(error, page.api.whyEnded()) });
    }
  };
  const cancel = () => {
    running.current?.abort();
    setState({ step: 'asking' });
  };
  return { state, start, cancel };
}

export function Export(props: { readonly columns: readonly Column[]; readonly onClose: () => void }) {
  const { columns, onClose } = props;
  const { state, start, cancel } = useExport();
  return (
    <Dialog label="Export" onClose={onClose} busy={state.step === 'running'}>
      {(state.step === 'asking' || state.step === 'failed') && <Asking columns={columns} onStart={start} />}
      {state.step === 'failed' && <p role="alert">{state.reason}</p>}
      {state.step === 'running' && (
        <>
          <Running progress={state.progress} />
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        </>
      )}
      {state.step === 'done' && (
        <p role="status">
          {countText(state.progress.rows)} messages, {bytesText(state.progress.bytes)}: saved by your browser.
        </p>
      )}
    </Dialog>
  );
}

const formats: readonly (readonly [ExportFormat, string])[] = [
  ['xlsx', 'Excel'],
  ['csv', 'CSV'],
  ['ndjson', 'NDJSON'],
];
const formatWords: Readonly<Record<ExportFormat, string>> = {
  xlsx: 'A spreadsheet, also for LibreOffice: ids are texts, times are times of',
  csv: 'All fields, for programs: dates as the API writes them.',
  ndjson: 'Each message as the API writes it, one a line, for programs.',
};

function Asking(props: { readonly columns: readonly Column[]; readonly onStart: (choice: Choice) => void }) {
  const { columns, onStart } = props;
  const { view } = usePage();
  const [format, setFormat] = useState<ExportFormat>('xlsx');
  const [isAll, setIsAll] = useState(false);
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        onStart({ format, columns: isAll ? 'all' : columns.map(({ name }) => name) });
      }}
    >
      <p>All messages that match the filters and the range, newest first.</p>
      <fieldset className="choice">
        <legend className="unseen">Format</legend>
        {formats.map(([one, label]) => (
          <label key={one}>
            <input type="radio" name="format" checked={format === one} onChange={() => setFormat(one)} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <p className="quiet">
        {formatWords[format]}
        {format === 'xlsx' && ` ${zoneName(view.zone)}.`}
      </p>
      {format === 'xlsx' && (
        <fieldset className="choice">
          <legend className="unseen">Columns</legend>
          {[false, true].map(one => (
            <label key={String(one)}>
              <input type="radio" name="columns" checked={isAll === one} onChange={() => setIsAll(one)} />
              <span>{one ? 'All columns' : 'Columns of the table'}</span>
            </label>
          ))}
        </fieldset>
      )}
      <button className="primary" type="submit">
        Export
      </button>
    </form>
  );
}

function Running({ progress }: { readonly progress: Progress }) {
  const { data, isPlaceholderData } = useSummary();
  const total = isPlaceholderData ? undefined : data?.total;
  return (
    <div className="progress">
      <progress
        aria-label="Exported"
        max={total ?? 1}
        {...(total !== undefined && { value: Math.min(progress.rows, total) })}
      />
      <p>
        {countText(progress.rows)} {total === undefined ? 'messages' : `of about ${countText(total)} messages`},{' '}
        {bytesText(progress.bytes)}
      </p>
    </div>
  );
}
