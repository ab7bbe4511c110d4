import { useCallback, useEffect, useState } from 'react';
import { type Api, apiWithKey } from './api/api.ts';

/** Who looks. The key or the token lives in memory alone: a reload signs out. */
export type Session = {
  readonly api: Api | undefined;
  /** Why nobody is signed in, when somebody was. */
  readonly notice: string | undefined;
  /** Tells one session from the next. */
  readonly ordinal: number;
  readonly begin: (api: Api) => void;
  readonly end: (notice?: string) => void;
};

/** The key of a link that signs in. The fragment never leaves the browser, and leaves the address bar here. */
function takeKey(): string | undefined {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return key === '' ? undefined : key;
}

function linkedApi(): Api | undefined {
  const key = takeKey();
  return key === undefined ? undefined : apiWithKey(key);
}

export function useSession(): Session {
  const [state, setState] = useState<Pick<Session, 'api' | 'notice' | 'ordinal'>>(() => ({
    api: linkedApi(),
    notice: undefined,
    ordinal: 0,
  }));
  const begin = useCallback(
    (api: Api) => setState(({ ordinal }) => ({ api, notice: undefined, ordinal: ordinal + 1 })),
    [],
  );
  const end = useCallback((notice?: string) => setState(({ ordinal }) => ({ api: undefined, notice, ordinal })), []);
  useEffect(() => {
    const follow = () => {
      const api = linkedApi();
      if (api !== undefined) begin(api);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, [begin]);
  return { ...state, begin, end };
}
