import { useQuery } from '@tanstack/react-query';
import type { Offers } from '../api/page-pass.ts';
import { usePage } from '../page-context.ts';

/** What the server has for whoever has signed in; `undefined` until that is known. */
export function useOffers(): Offers | undefined {
  const { api } = usePage();
  const { data } = useQuery({
    queryKey: ['offers'],
    queryFn: async () => (await api.offers()) ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data ?? undefined;
}
