import { type FormEvent, useId, useState } from 'react';
import type { FeedState } from '../../log/feed.ts';
import { usePage } from '../../page-context.ts';
import { inert } from '../../view/format.ts';
import { isOpenEnded } from '../../view/range.ts';
import { type Field, fieldLabels, fields, groupNames, listFields } from '../../view/view.ts';
import { isWords, listOf, listText, wordsMax } from '../../view/written.ts';
import { localZone, utcZone, zoneName, zoneNames } from '../../view/zone.ts';
import { FormButtons } from '../forms/form-buttons.tsx';
import { Popover } from '../forms/popover.tsx';
import { CompareChoice } from './compare-choice.tsx';
import { RangePicker } from './range-picker.tsx';

export function FilterBar({ feed }: { readonly feed: FeedState | 'off' }) {
  return (
    <section className="filters" aria-label="Filters">
      <div className="filter-line">
        <RangePicker />
        <CompareChoice />
        <ZoneChoice />
        <LiveButton feed={feed} />
        <FilterMenu />
      </div>
      <Ignored />
    </section>
  );
}

function ZoneChoice() {
  const { view, change } = usePage();
  const id = useId();
  const other = view.zone !== localZone && view.zone !== utcZone;
  return (
    <fieldset className="choice zones" title={`Times are shown in ${zoneName(view.zone)}`}>
      <legend className="unseen">Times in</legend>
      {[localZone, utcZone].map(zone => (
        <label key={zone}>
          <input
            type="radio"
            name={id}
            checked={view.zone === zone}
            onChange={() => change(one => ({ ...one, zone }), { replace: true })}
          />
          <span>{zone === utcZone ? 'UTC' : 'Local'}</span>
        </label>
      ))}
      <select
        aria-label="Another time zone"
        className={other ? 'set' : undefined}
        value={other ? view.zone : ''}
        onChange={event => change(one => ({ ...one, zone: event.target.value || localZone }), { replace: true })}
      >
        <option value="">Zone …</option>
        {zoneNames(view.zone).map(name => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </fieldset>
  );
}

/** Of about one length: what stands beside it, and the rows, are not to move because a connection comes or goes. */
const feedLabels: Readonly<Record<FeedState | 'off', readonly [label: string, title: string]>> = {
  live: ['Live', 'New messages and changes as they come'],
  connecting: ['Live …', 'Connecting: new messages and changes will come by themselves'],
  lost: ['Lost …', 'The connection is lost, and made again by itself'],
  limited: ['Wait …', 'The server asks to wait before new messages and changes come'],
  refused: ['Not live', 'The server does not say what is new: ask anew by Refresh'],
  off: ['Paused', 'Nothing new comes until this is pressed'],
};

function LiveButton({ feed }: { readonly feed: FeedState | 'off' }) {
  const { view, change } = usePage();
  const possible = isOpenEnded(view.range);
  const [label, title] = feedLabels[feed];
  return (
    <button
      type="button"
      className={`live live-${feed}`}
      aria-pressed={view.live && possible}
      disabled={!possible}
      title={possible ? title : 'The range has an end: nothing new comes into it'}
      onClick={() => change(one => ({ ...one, live: !one.live }), { replace: true })}
    >
      <span className="dot" aria-hidden="true" />
      <span>{possible ? label : 'Fixed'}</span>
    </button>
  );
}

/** A link may ask for what there is not, or for two senders, of which a message has one. */
function Ignored() {
  const { ignored } = usePage().view;
  if (ignored === undefined) return null;
  return (
    <p className="note" role="status">
      The address asks for what cannot be looked for: {ignored.map(one => inert(one, 60)).join(', ')}.
    </p>
  );
}

function isList(field: Field): boolean {
  return listFields.some(one => one === field);
}

function textOf(field: Field, values: readonly string[]): string {
  return isList(field) ? listText(field, values) : (values[0] ?? '');
}

function FilterMenu() {
  const { view } = usePage();
  // What was written before the filters were changed elsewhere would undo that.
  const key = JSON.stringify(view.conditions);
  return <Popover label="Filter …">{(id, close) => <FilterForm key={key} id={id} onClose={close} />}</Popover>;
}

function FilterForm({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const { view, change } = usePage();
  const [tooMuch, setTooMuch] = useState(false);
  const apply = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const words = String(form.get('text'));
    if (words.trim() !== '' && !isWords(words)) return setTooMuch(true);
    const conditions = fields.flatMap(field => {
      const text = String(form.get(field) ?? '').trim();
      const values = isList(field) ? listOf(field, text) : text === '' ? [] : [text];
      return values.length === 0 ? [] : [[field, values] as const];
    });
    change(one => ({ ...one, conditions: Object.fromEntries(conditions) }));
    onClose();
  };
  return (
    <form id={id} className="filter-form" onSubmit={apply}>
      {fields.map((field, index) => (
        <label key={field} htmlFor={`${id}-${field}`}>
          <span>{fieldLabels[field]}</span>
          <FilterInput
            id={`${id}-${field}`}
            field={field}
            value={textOf(field, view.conditions[field] ?? [])}
            first={index === 0}
          />
        </label>
      ))}
      <p role="alert">{tooMuch && `As text, 1 to ${wordsMax} words can be looked for.`}</p>
      <FormButtons onClose={onClose} />
    </form>
  );
}

function FilterInput(props: {
  readonly id: string;
  readonly field: Field;
  readonly value: string;
  readonly first: boolean;
}) {
  const { id, field, value, first } = props;
  if (field !== 'generalStatus' || value.includes(','))
    return (
      <input
        id={id}
        name={field}
        data-first={first || undefined}
        defaultValue={value}
        spellCheck={false}
        autoComplete="off"
        placeholder={isList(field) ? 'one or more' : field === 'error' ? 'EC_…' : undefined}
      />
    );
  return (
    <select id={id} name={field} defaultValue={value}>
      <option value="">any</option>
      {groupNames.map(name => (
        <option key={name} value={name}>
          {name.toLowerCase()}
        </option>
      ))}
    </select>
  );
}
