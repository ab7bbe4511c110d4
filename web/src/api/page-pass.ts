/** What the server has for whoever has signed in. */
export type Offers = {
  readonly access: boolean;
  readonly sources: boolean;
  readonly senders: boolean;
  readonly sending: boolean;
  readonly emulator: boolean;
};

type Pass = { readonly text: string; readonly untilMs: number; readonly account: string; readonly offers: Offers };

type Answer = { readonly pass: string; readonly expiresIn: number } & Pick<Pass, 'account' | 'offers'>;

/** Of the last one who signed in; there is no other at the same time. */
let held: { readonly authorization: string; readonly pass: Promise<Pass | undefined> } | undefined;

/**
 * What says that the calls with this authorization are the page's. `undefined` when there is none to be had: then they
 * count as any program's, and what is wrong shows in their own answers.
 */
export async function passFor(authorization: string | null): Promise<Pass | undefined> {
  if (authorization === null) return undefined;
  if (held?.authorization !== authorization) held = { authorization, pass: ask(authorization) };
  const { pass } = held;
  const found = await pass;
  if (found !== undefined && found.untilMs > performance.now()) return found;
  // Asked for again by the next call.
  if (held?.pass === pass) held = undefined;
  return found;
}

async function ask(authorization: string): Promise<Pass | undefined> {
  try {
    const answer = await fetch('/page/pass', {
      method: 'POST',
      headers: { authorization },
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
    if (!answer.ok) return undefined;
    const { pass, expiresIn, account, offers }: Answer = await answer.json();
    // Well before it ends, so that none ends under way.
    return { text: pass, untilMs: performance.now() + (expiresIn * 1000) / 2, account, offers };
  } catch {
    return undefined;
  }
}
