import { type FormEvent, useId, useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { inputMoment, inputText, shortMomentText } from '../../view/format.ts';
import { boundsOf, presetLabels, presetsWithin, type Range } from '../../view/range.ts';
import { type Zone, zoneName } from '../../view/zone.ts';
import { FormButtons } from '../forms/form-buttons.tsx';
import { usePopover } from '../forms/use-popover.ts';

export function RangePicker() {
  const { api, view, change } = usePage();
  const { range, zone } = view;
  const names = presetsWithin(api.retentionMs);
  const [open, setOpen] = useState(false);
  const id = useId();
  const custom = 'last' in range ? 'Range …' : rangeText(range, zone);
  const popover = usePopover(open, () => setOpen(false));
  return (
    <div ref={popover} className="popover">
      <fieldset className="choice ranges">
        <legend className="unseen">Sent in the last</legend>
        {names.map(name => (
          <label key={name}>
            <input
              type="radio"
              name={`${id}range`}
              checked={'last' in range && range.last === name}
              onChange={() => change(one => ({ ...one, range: { last: name } }))}
            />
            <span>{presetLabels[name]}</span>
          </label>
        ))}
      </fieldset>
      <button
        type="button"
        className={'last' in range ? undefined : 'set'}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        {custom}
      </button>
      {open && <RangeForm id={id} onClose={() => setOpen(false)} />}
    </div>
  );
}

function rangeText({ sinceMs, untilMs }: Extract<Range, { readonly sinceMs?: unknown }>, zone: Zone) {
  const text = (ms: number | undefined) => (ms === undefined ? '…' : shortMomentText(ms, zone));
  return `${text(sinceMs)} – ${text(untilMs)}`;
}

function RangeForm({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { view, change } = usePage();
  const { sinceMs, untilMs } = boundsOf(view, nowMs());
  const [flaw, setFlaw] = useState<string>();
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    // What nobody changed stays the moment that it was: an hour that clocks show twice is written in one way.
    const moment = (name: string, before: number | undefined) => {
      const text = String(form.get(name));
      return before !== undefined && text === inputText(before, view.zone) ? before : inputMoment(text, view.zone);
    };
    const since = moment('since', sinceMs);
    const until = moment('until', untilMs);
    if (since !== undefined && until !== undefined && since >= until)
      return setFlaw('The range ends before it begins.');
    change(one => ({
      ...one,
      range: since === undefined && until === undefined ? { last: 'all' } : { sinceMs: since, untilMs: until },
    }));
    onClose();
  };
  const field = (name: string, label: string, ms: number | undefined) => (
    <label>
      <span>{label}</span>
      <input
        name={name}
        type="datetime-local"
        step={1}
        defaultValue={ms === undefined ? '' : inputText(ms, view.zone)}
      />
    </label>
  );
  return (
    <form id={id} className="filter-form range-form" onSubmit={apply}>
      {field('since', 'From', sinceMs)}
      {field('until', 'Until (not included)', untilMs)}
      <p className="quiet">In {zoneName(view.zone)}. Left empty: without a bound. Or drag over the chart.</p>
      <p role="alert">{flaw}</p>
      <FormButtons onClose={onClose} />
    </form>
  );
}
