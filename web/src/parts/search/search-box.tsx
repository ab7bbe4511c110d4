import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { recognise, type SearchField, searchedValues, searchFields, valuesOf } from '../../log/search.ts';
import { usePage } from '../../page-context.ts';
import { inert } from '../../view/format.ts';
import { fieldLabels, withCondition } from '../../view/view.ts';

const settleMs = 120;

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), settleMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

type Option = { readonly field: SearchField; readonly known: boolean };

function useRecognised(text: string) {
  const { api } = usePage();
  const settled = useSettled(text.trim());
  const query = useQuery({
    queryKey: ['recognise', settled],
    queryFn: ({ signal }) => recognise(api, settled, signal),
    enabled: settled !== '',
    staleTime: 10_000,
    gcTime: 10_000,
  });
  const asked = settled === text.trim() && query.isSuccess;
  const known = asked ? query.data : [];
  const options: readonly Option[] = [
    ...known.map(field => ({ field, known: true })),
    ...searchFields.filter(field => !known.includes(field)).map(field => ({ field, known: false })),
  ];
  return { asked, options, none: asked && known.length === 0, failed: query.isError };
}

function useSearch() {
  const { change } = usePage();
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const [pressed, setPressed] = useState(false);
  const recognised = useRecognised(text);
  const { asked, options, none } = recognised;
  const write = (next: string) => {
    setText(next);
    setActive(0);
    setPressed(false);
  };
  const choose = ({ field }: Option) => {
    const values = searchedValues(field, text);
    change(view => ({
      ...withCondition({ ...view, conditions: {}, not: {} }, field, values),
      range: { last: 'all' },
      open: field === 'messageId' && values.length === 1 ? values[0] : undefined,
    }));
    write('');
  };
  const option = options[active];
  // Enter that came before the log had been asked counts as soon as it has answered.
  const due = pressed && asked && !none && option !== undefined;
  const chooseRef = useRef(choose);
  chooseRef.current = choose;
  useEffect(() => {
    if (due) chooseRef.current(option);
  }, [due, option]);
  const enter = () => {
    if (asked && option !== undefined && (!none || active > 0)) choose(option);
    else setPressed(true);
  };
  const move = (step: number) => setActive(Math.min(Math.max(active + step, 0), options.length - 1));
  return { ...recognised, text, active, write, choose, enter, move };
}

/** Knows an id when it is pasted, and finds its messages whenever they were sent. */
export function SearchBox() {
  const search = useSearch();
  const { text, active } = search;
  const [focused, setFocused] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const press = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') search.move(1);
    else if (event.key === 'ArrowUp') search.move(-1);
    else if (event.key === 'Enter') search.enter();
    else if (event.key === 'Escape') {
      if (text === '') input.current?.blur();
      search.write('');
    } else return;
    event.preventDefault();
  };
  const shown = focused && valuesOf(text).length > 0;
  return (
    <search className="search">
      <input
        id="search"
        ref={input}
        role="combobox"
        aria-label={`Find a ${lookedAt}`}
        aria-expanded={shown}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={shown ? `${id}-${active}` : undefined}
        placeholder="Paste an id, destination, sender or campaign"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={event => search.write(event.target.value)}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        onKeyDown={press}
      />
      <kbd>/</kbd>
      {shown && (
        <div className="suggestions">
          <p role="status">{search.failed ? 'The log could not be asked.' : hint(search.asked, search.none, text)}</p>
          <Suggestions id={id} options={search.options} active={active} onChoose={search.choose} />
        </div>
      )}
    </search>
  );
}

const lookedAt = searchFields
  .map(field => fieldLabels[field].toLowerCase())
  .join(', ')
  .replace(/, ([^,]*)$/, ' or $1');

function hint(asked: boolean, none: boolean, text: string): string {
  if (!asked) return 'Asking the log …';
  return none ? `No message has “${inert(text.trim(), 40)}” as its ${lookedAt}. Filter anyway by:` : 'Found as:';
}

function Suggestions(props: {
  readonly id: string;
  readonly options: readonly Option[];
  readonly active: number;
  readonly onChoose: (option: Option) => void;
}) {
  return (
    <div role="listbox" id={props.id} aria-label="Found as">
      {props.options.map((option, index) => (
        <div
          key={option.field}
          id={`${props.id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === props.active}
          className={option.known ? 'known' : undefined}
          // Before the box loses the focus, and the list with it.
          onMouseDown={event => {
            event.preventDefault();
            props.onChoose(option);
          }}
        >
          <span>{fieldLabels[option.field]}</span>
          {option.known && <span className="found">in the log</span>}
        </div>
      ))}
    </div>
  );
}
