import { type Pass, pageInit, passHeader, resumed } from './page-pass.ts';
import { heard } from './server-clock.ts';

/** Calls in the name of whoever signed in, and why they are refused when they are. */
export type OwnCalls = { readonly fetch: typeof fetch; readonly whyEnded: () => string };

/**
 * The calls of a tab that was opened with a pass. The cookie is of the whole browser: once another tab has signed in to
 * another account, a new pass would be of that one, and this tab would show and change what is not its own. From then on
 * each call is refused here as the server refuses one without a session.
 */
export function ownCalls(first: Pass): OwnCalls {
  let pass = first;
  let other: string | undefined;
  const renew = async () => {
    const next = await resumed().catch(() => undefined);
    if (next === undefined) return;
    if (next.account === first.account) pass = next;
    else other = next.account;
  };
  return {
    fetch: async (input, init) => {
      if (other === undefined && performance.now() > pass.untilMs) await renew();
      if (other !== undefined) return new Response(null, { status: 401 });
      const headers = new Headers(init?.headers);
      headers.set(passHeader, pass.text);
      return heard(() => fetch(input, { ...init, ...pageInit, headers }));
    },
    whyEnded: () =>
      other === undefined
        ? 'The key or session is not valid any more.'
        : `This tab was signed in to the account ${first.account}; the browser is signed in to ${other} now, by another tab.`,
  };
}
