import { type FormEvent, useId, useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { inputMoments, inputText, shortMomentText } from '../../view/format.ts';
import { boundsOf, presetLabels, presetsWithin, type Range } from '../../view/range.ts';
import { offsetText, turnText, type Zone, zoneName } from '../../view/zone.ts';
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
  const text = (ms: number | undefined) => (ms === undefined ? '…' : shortMomentText(ms, zone) + turnText(ms, zone));
  return `${text(sinceMs)} – ${text(untilMs)}`;
}

function RangeForm({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { view, change } = usePage();
  const { sinceMs, untilMs } = boundsOf(view, nowMs());
  const [flaw, setFlaw] = useState<string>();
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const moment = (name: string, before: number | undefined) => {
      const moments = inputMoments(String(form.get(name)), view.zone);
      const chosen = moments[Number(form.get(turnName(name)) ?? 0)];
      // A field has no milliseconds: what nobody changed stays the moment that it was.
      return before !== undefined && Math.floor(before / 1000) * 1000 === chosen ? before : chosen;
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
  return (
    <form id={id} className="filter-form range-form" onSubmit={apply}>
      <MomentField name="since" label="From" before={sinceMs} />
      <MomentField name="until" label="Until (not included)" before={untilMs} />
      <p className="quiet">In {zoneName(view.zone)}. Left empty: without a bound. Or drag over the chart.</p>
      <p role="alert">{flaw}</p>
      <FormButtons onClose={onClose} />
    </form>
  );
}

const turnName = (name: string) => `${name}-turn`;

/** A moment by the clock of the view; where that shows it twice, it can be told which one is meant. */
function MomentField(props: { readonly name: string; readonly label: string; readonly before: number | undefined }) {
  const { name, label, before } = props;
  const { zone } = usePage().view;
  const [text, setText] = useState(before === undefined ? '' : inputText(before, zone));
  const moments = inputMoments(text, zone);
  const distances = moments.map(ms => Math.abs(ms - (before ?? 0)));
  return (
    <div className="moment-field">
      <label>
        <span>{label}</span>
        <input
          name={name}
          type="datetime-local"
          step={1}
          defaultValue={text}
          onChange={event => setText(event.target.value)}
        />
      </label>
      {moments.length > 1 && (
        <select
          name={turnName(name)}
          aria-label={`${label}: clocks show it twice`}
          defaultValue={distances.indexOf(Math.min(...distances))}
        >
          {moments.map((ms, index) => (
            <option key={ms} value={index}>
              {index === 0 ? 'The first time' : 'The second time'}, {offsetText(ms, zone)}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
