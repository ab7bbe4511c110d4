import { useMutation, useQueryClient } from '@tanstack/react-query';
import { SentlogError } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';

export type ManageCall = {
  readonly method: 'POST' | 'DELETE';
  readonly path: `/${string}`;
  readonly body?: object;
};

/** Makes a call that changes something, and asks anew for the list that it changes. */
export function useAct(list: string) {
  const { api } = usePage();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ method, path, body }: ManageCall) => api.client.call(method, path, body),
    onSettled: () => queries.invalidateQueries({ queryKey: [list] }),
    networkMode: 'always',
  });
}

/** Why a call was refused, in words for a person. */
export function refusalOf(error: unknown): string {
  if (!(error instanceof SentlogError)) return error instanceof Error ? error.message : String(error);
  if (error.violations.length === 0) return error.description;
  return error.violations.map(({ property, violation }) => wordsOf(property, violation)).join('; ');
}

/** A sentence of the server stands for itself; of a field it says what is wrong with it. */
function wordsOf(property: string, violation: string): string {
  return ['mirror', 'sender', 'account', 'server'].includes(property) ? violation : `${property} ${violation}`;
}
