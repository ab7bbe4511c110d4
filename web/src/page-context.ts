import { createContext, useContext } from 'react';
import type { LogsFilter } from '../../src/client/index.ts';
import type { Api } from './api/api.ts';
import type { KnownValues } from './view/known-values.ts';
import type { Decimals } from './view/money.ts';
import type { ChangeView } from './view/use-view.ts';
import type { Conditions, View } from './view/view.ts';

/** What the view asked for, and when: a relative range means something else a minute later. */
export type Asked = {
  readonly id: string;
  readonly atMs: number;
  /** The same for every time that this is asked. */
  readonly viewKey: string;
  readonly filter: LogsFilter;
  readonly conditions: Conditions;
  readonly not: Conditions;
};

export type Page = {
  readonly api: Api;
  readonly view: View;
  readonly change: ChangeView;
  readonly asked: Asked;
  /** Asks anew, for the range as it is now. */
  readonly reload: () => void;
  /** With how many decimals prices are shown. */
  readonly decimals: Decimals;
  /** What is suggested while somebody types. */
  readonly known: KnownValues;
};

export const PageContext = createContext<Page | undefined>(undefined);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('outside of the page');
  return page;
}
