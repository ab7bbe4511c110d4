import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactNode, useId } from 'react';
import { refusalOf } from '../forms/act.ts';

/** What there is of one kind, each on a card, and the way to add another. */
export function Section<T>(props: {
  readonly heading: string;
  readonly words: string;
  /** What is said where there is none. */
  readonly none: string;
  readonly found: Pick<UseQueryResult<readonly T[]>, 'data' | 'error' | 'isPending'>;
  readonly keyOf: (one: T) => string;
  readonly card: (one: T) => ReactNode;
  readonly adding: ReactNode;
}) {
  const { heading, words, none, found, keyOf, card, adding } = props;
  const { data, error, isPending } = found;
  const id = useId();
  return (
    <section className="sheet" aria-labelledby={id} aria-busy={isPending}>
      <h3 id={id}>{heading}</h3>
      <p className="quiet">{words}</p>
      {error !== null && <p role="alert">{refusalOf(error)}</p>}
      {data?.length === 0 && <p>{none}</p>}
      <ul className="cards">
        {data?.map(one => (
          <li key={keyOf(one)}>{card(one)}</li>
        ))}
      </ul>
      {adding}
    </section>
  );
}
