import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';
import { recognise } from '../../log/search.ts';
import { usePage } from '../../page-context.ts';
import { inert } from '../../view/format.ts';
import { type Field, fieldLabels, shownValue, withCondition } from '../../view/view.ts';
import { isWords, searchFields, writtenAnyway } from '../../view/written.ts';
import { Cut } from '../forms/cut.tsx';

const settleMs = 120;

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), settleMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

const suggestionsMax = 8;

type Option = {
  readonly field: Field;
  readonly values: readonly string[];
  /** A value that is not the text itself, to be offered by its name. */
  readonly kind: 'found' | 'suggested' | 'words' | 'anyway';
};

function useOptions(text: string) {
  const { api, known: knownValues } = usePage();
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
  const suggested = knownValues
    .holding(text.trim(), suggestionsMax)
    .filter(one => !known.some(({ field, values }) => field === one.field && values[0] === one.values[0]));
  const options: readonly Option[] = [
    ...known.map(one => ({ ...one, kind: 'found' as const })),
    ...suggested.map(one => ({ ...one, kind: 'suggested' as const })),
    ...(isWords(text) ? [{ field: 'text' as const, values: [text.trim()], kind: 'words' as const }] : []),
    ...searchFields
      .filter(field => !known.some(one => one.field === field))
      .flatMap(field => {
        const values = writtenAnyway(field, text);
        return values === undefined ? [] : [{ field, values, kind: 'anyway' as const }];
      }),
  ];
  return { asked, options, none: asked && known.length === 0, failed: settled === text.trim() && query.isError };
}

function placeOf(picked: Option | undefined, options: readonly Option[]): number {
  if (picked === undefined) return 0;
  const those = options.filter(({ field }) => field === picked.field);
  const found = those.find(({ values }) => values.join() === picked.values.join()) ?? those[0];
  return found === undefined ? 0 : options.indexOf(found);
}

function useSearch() {
  const { change } = usePage();
  const [text, setText] = useState('');
  const [picked, setPicked] = useState<Option>();
  const [pressed, setPressed] = useState(false);
  const found = useOptions(text);
  const { asked, options, none } = found;
  const write = (next: string) => {
    setText(next);
    setPicked(undefined);
    setPressed(false);
  };
  const choose = ({ field, values }: Option) => {
    change(view => ({
      ...withCondition({ ...view, conditions: {}, not: {} }, field, values),
      range: { last: 'all' },
      open: field === 'messageId' && values.length === 1 ? values[0] : undefined,
    }));
    write('');
  };
  // What is picked stays so where the log's answer puts others before it.
  const active = placeOf(picked, options);
  const option = options[active];
  const isSound = option?.kind !== 'anyway' || picked !== undefined;
  // Enter that came before the log had been asked counts as soon as it has answered.
  const due = pressed && asked && isSound && option !== undefined;
  const chooseRef = useRef(choose);
  chooseRef.current = choose;
  useEffect(() => {
    if (due) chooseRef.current(option);
  }, [due, option]);
  const enter = () => {
    // The log may know the text as something else than what merely holds it: only what is picked or the same does not wait.
    const isSame = option?.kind !== 'words' && option?.values[0] === text.trim();
    const isCertain = asked || picked !== undefined || isSame;
    if (isCertain && option !== undefined && isSound) choose(option);
    else setPressed(true);
  };
  const move = (step: number) => setPicked(options[Math.min(Math.max(active + step, 0), options.length - 1)]);
  return { ...found, none, text, active, write, choose, enter, move };
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
  const shown = focused && text.trim() !== '';
  return (
    <search className="search">
      <input
        id="search"
        ref={input}
        role="combobox"
        aria-label={`Find words, or a ${lookedAt}`}
        aria-expanded={shown}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={shown ? `${id}-${active}` : undefined}
        placeholder="Words, an id, number, error …"
        autoComplete="off"
        spellCheck={false}
        value={text}
        onChange={event => search.write(event.target.value)}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        onKeyDown={press}
      />
      {text === '' ? (
        <kbd>/</kbd>
      ) : (
        // Without a keyboard there is no other way back that shows.
        <button
          type="button"
          aria-label="Clear the search"
          onMouseDown={event => event.preventDefault()}
          onClick={() => search.write('')}
        >
          ×
        </button>
      )}
      {shown && (
        <div className="suggestions">
          <p role="status">{search.failed ? 'The log could not be asked.' : hint(search, text)}</p>
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

function hint({ asked, none, options }: ReturnType<typeof useOptions>, text: string): string {
  if (writtenAnyway('messageId', text) === undefined) return 'More ids than the log can be asked for at once.';
  const hasSuggestions = options.some(({ kind }) => kind === 'suggested');
  if (!asked) return 'Asking the log …';
  if (!none) return 'Found as:';
  const nothing = `No message has “${inert(text.trim(), 40)}” as its ${lookedAt}`;
  if (hasSuggestions) return `${nothing}; these hold it:`;
  return `${nothing}. ${isWords(text) ? 'Look for its words, or filter' : 'Filter'} anyway by:`;
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
          key={`${option.kind} ${option.field} ${option.values.join()}`}
          id={`${props.id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === props.active}
          className={option.kind}
          // Before the box loses the focus, and the list with it.
          onMouseDown={event => {
            event.preventDefault();
            props.onChoose(option);
          }}
        >
          <span>{fieldLabels[option.field]}</span>
          <OptionNote option={option} />
        </div>
      ))}
    </div>
  );
}

function OptionNote({ option: { kind, field, values } }: { readonly option: Option }) {
  if (kind === 'anyway') return null;
  if (kind === 'found') return <span className="note-found">in the log</span>;
  if (kind === 'words') return <span>words in contents and ids</span>;
  return (
    <bdi className="note-value">
      <Cut text={values.map(value => shownValue(field, value)).join(', ')} />
    </bdi>
  );
}
