import { useMemo, useState } from 'react';
import { keep, kept } from '../frame/theme.ts';
import { type Column, columns, hiddenAtFirst } from './columns.tsx';

const keptAs = 'sentlog.hidden-columns';

export type ColumnChoice = {
  readonly shown: readonly Column[];
  readonly toggle: (name: string) => void;
};

/** Which columns the table has; remembered by the browser. */
export function useColumns(): ColumnChoice {
  const [hidden, setHidden] = useState<readonly string[]>(() => kept(keptAs)?.split(' ') ?? hiddenAtFirst);
  return useMemo(() => {
    const shown = columns.filter(column => !hidden.includes(column.name));
    const toggle = (name: string) => {
      const next = hidden.includes(name) ? hidden.filter(one => one !== name) : [...hidden, name];
      if (next.length === columns.length) return;
      setHidden(next);
      keep(keptAs, next.join(' '));
    };
    return { shown, toggle };
  }, [hidden]);
}
