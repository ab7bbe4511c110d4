import type { Offers } from '../../api/page-pass.ts';
import { usePage } from '../../page-context.ts';

/** What the server has for whoever has signed in. */
export function useOffers(): Offers {
  return usePage().api.offers;
}
