import { useEffect, useRef, useState } from 'react';
import { troubleOf } from '../api/trouble.ts';
import { type ExportFormat, errorSieve, gather, type Progress, save } from '../log/export.ts';
import { useSummary } from '../log/use-summary.ts';
import { type Page, usePage } from '../page-context.ts';
import { bytesText, countText } from '../view/format.ts';
import { filterOf } from '../view/view.ts';
import { Dialog } from './dialog.tsx';

type State =
  | { readonly step: 'asking' }
  | { readonly step: 'running' | 'done'; readonly progress: Progress }
  | { readonly step: 'failed'; readonly reason: string };

const none: Progress = { rows: 0, bytes: 0 };

async function run(page: Page, format: ExportFormat, onProgress: (progress: Progress) => void, signal: AbortSignal) {
  const filter = filterOf(page.view, Date.now());
  const [error] = page.view.conditions.error ?? [];
  const whole = await page.api.client.exportLogs(filter, { format, signal });
  const file = await gather(error === undefined ? whole : whole.pipeThrough(errorSieve(error)), format, onProgress);
  signal.throwIfAborted();
  save(file, `sentlog-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`);
}

function reasonOf(error: unknown): string {
  const trouble = troubleOf(error);
  if (trouble.kind === 'rate-limited')
    return `Too many requests: try again in ${Math.ceil(trouble.retryAfterMs / 1000)} s.`;
  if (trouble.kind === 'gone') return 'The server does not answer.';
  return trouble.kind === 'failed' ? trouble.reason : 'This key may not export.';
}

function useExport() {
  const page = usePage();
  const [state, setState] = useState<State>({ step: 'asking' });
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = async (format: ExportFormat) => {
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
      await run(page, format, onProgress, signal);
      setState({ step: 'done', progress: latest });
    } catch (error) {
      if (!signal.aborted) setState({ step: 'failed', reason: reasonOf(error) });
    }
  };
  const cancel = () => {
    running.current?.abort();
    setState({ step: 'asking' });
  };
  return { state, start, cancel };
}

export function Export({ onClose }: { readonly onClose: () => void }) {
  const { state, start, cancel } = useExport();
  return (
    <Dialog label="Export" onClose={onClose}>
      {(state.step === 'asking' || state.step === 'failed') && <Asking onStart={start} />}
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

function Asking({ onStart }: { readonly onStart: (format: ExportFormat) => void }) {
  const { view } = usePage();
  const [format, setFormat] = useState<ExportFormat>('csv');
  const sieved = view.conditions.error !== undefined;
  const chosen = sieved ? 'ndjson' : format;
  return (
    <form
      onSubmit={event => {
        event.preventDefault();
        onStart(chosen);
      }}
    >
      <p>All messages that match the filters and the range, newest first.</p>
      <fieldset className="choice">
        <legend className="unseen">Format</legend>
        {(['csv', 'ndjson'] as const).map(one => (
          <label key={one}>
            <input
              type="radio"
              name="format"
              checked={chosen === one}
              disabled={sieved && one === 'csv'}
              onChange={() => setFormat(one)}
            />
            <span>{one === 'csv' ? 'CSV, for spreadsheets' : 'NDJSON, for programs'}</span>
          </label>
        ))}
      </fieldset>
      {sieved && <p className="quiet">With the filter on an error, the export is NDJSON.</p>}
      <button className="primary" type="submit">
        Export
      </button>
    </form>
  );
}

function Running({ progress }: { readonly progress: Progress }) {
  const { view } = usePage();
  const { data, isPlaceholderData } = useSummary();
  const total = isPlaceholderData || view.conditions.error !== undefined ? undefined : data?.total;
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
