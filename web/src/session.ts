import { useCallback, useEffect, useState } from 'react';
import { type Api, apiOfBefore, apiWithKey } from './api/api.ts';
import { refusalToSignIn } from './api/trouble.ts';

/** Who looks: kept by the browser in a cookie that no script can read, so that a reload stays signed in. */
export type Session = {
  readonly api: Api | undefined;
  /** Whether it is still being asked who is signed in. */
  readonly asking: boolean;
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

type State = Pick<Session, 'api' | 'asking' | 'notice' | 'ordinal'>;

export function useSession(): Session {
  const [state, setState] = useState<State>({ api: undefined, asking: true, notice: undefined, ordinal: 0 });
  const begin = useCallback(
    (api: Api) => setState(({ ordinal }) => ({ api, asking: false, notice: undefined, ordinal: ordinal + 1 })),
    [],
  );
  const end = useCallback(
    (notice?: string) => setState(({ ordinal }) => ({ api: undefined, asking: false, notice, ordinal })),
    [],
  );
  useEffect(() => {
    const open = async (key: string | undefined) => {
      try {
        const api = key === undefined ? await apiOfBefore() : await apiWithKey(key);
        if (api === undefined) end();
        else begin(api);
      } catch (error) {
        end(refusalToSignIn(error, 'key'));
      }
    };
    void open(takeKey());
    const follow = () => {
      const key = takeKey();
      if (key !== undefined) void open(key);
    };
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, [begin, end]);
  return { ...state, begin, end };
}
