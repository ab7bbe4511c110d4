import { type FormEvent, useId, useState } from 'react';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { inputMoments, inputText, shortMomentText, spanText } from '../../view/format.ts';
import { boundsOf, presetLabels, presetsWithin, type Range, rangeFlaw } from '../../view/range.ts';
import { offsetText, turnText, type Zone, zoneName } from '../../view/zone.ts';
import { FormButtons } from '../forms/form-buttons.tsx';
import { Popover } from '../forms/popover.tsx';

export function RangePicker() {
  const { api, view, change } = usePage();
  const { range, zone } = view;
  const names = presetsWithin(api.retentionMs, 'last' in range ? range.last : undefined);
  const id = useId();
  const custom = 'last' in range ? 'Range …' : rangeText(range, zone);
  // What was written for another range, or by another clock, is of no use for this one.
  const key = JSON.stringify([range, zone]);
  return (
    <>
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
      <Popover label={custom} title={custom} set={!('last' in range)}>
        {(form, close) => <RangeForm key={key} id={form} onClose={close} />}
      </Popover>
    </>
  );
}

function rangeText({ sinceMs, untilMs }: Extract<Range, { readonly sinceMs?: unknown }>, zone: Zone) {
  if (sinceMs !== undefined && untilMs !== undefined && sinceMs < untilMs)
    return spanText(sinceMs, untilMs, zone, nowMs());
  const text = (ms: number | undefined) =>
    ms === undefined ? '…' : shortMomentText(ms, zone, nowMs()) + turnText(ms, zone);
  return `${text(sinceMs)} – ${text(untilMs)}`;
}

function RangeForm({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { view, change } = usePage();
  const { sinceMs, untilMs } = boundsOf(view, nowMs());
  const [told, tell] = useState<string>();
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const moment = (name: string, before: number | undefined) => {
      const moments = inputMoments(String(form.get(name)), view.zone);
      const chosen = moments[Number(form.get(turnName(name)) ?? 0)];
      // A field has no milliseconds: what nobody changed stays the moment that it was.
      return before !== undefined && toSecond(before) === chosen ? before : chosen;
    };
    const since = moment('since', sinceMs);
    const until = moment('until', untilMs);
    const flaw = rangeFlaw(since ?? -Infinity, until ?? Infinity);
    if (flaw !== undefined) return tell(flaw);
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
      <p role="alert">{told}</p>
      <FormButtons onClose={onClose} />
    </form>
  );
}

const toSecond = (ms: number) => Math.floor(ms / 1000) * 1000;

const turnName = (name: string) => `${name}-turn`;

/**
 * A moment by the clock of the view. Where that shows it twice, a range takes in both unless somebody says otherwise: it
 * begins with the first and ends with the second.
 */
function MomentField(props: {
  readonly name: 'since' | 'until';
  readonly label: string;
  readonly before: number | undefined;
}) {
  const { name, label, before } = props;
  const { zone } = usePage().view;
  const [text, setText] = useState(before === undefined ? '' : inputText(before, zone));
  const [chosen, setChosen] = useState<string>();
  const moments = inputMoments(text, zone);
  // What nobody has changed means what it meant.
  const same = before === undefined ? -1 : moments.indexOf(toSecond(before));
  const turn = chosen ?? String(same !== -1 ? same : name === 'since' ? 0 : moments.length - 1);
  const write = (next: string) => {
    setText(next);
    setChosen(undefined);
  };
  return (
    <div className="moment-field">
      <label>
        <span>{label}</span>
        <input
          name={name}
          type="datetime-local"
          step={1}
          defaultValue={text}
          onChange={event => write(event.target.value)}
        />
      </label>
      {moments.length > 1 && (
        <select
          name={turnName(name)}
          aria-label={`${label}: clocks show it twice`}
          value={turn}
          onChange={event => setChosen(event.target.value)}
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
