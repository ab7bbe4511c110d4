import { useCallback, useEffect, useRef, useState } from 'react';
import { type Api, accountOfKey, apiOfBefore, apiWithKey } from './api/api.ts';
import { refusalToSignIn } from './api/trouble.ts';

/** A link that signs in to another account, or whose key is refused. */
export type Link = { readonly key: string; readonly account: string } | { readonly refusal: string };

/** Who looks: kept by the browser in a cookie that no script can read, so that a reload stays signed in. */
export type Session = {
  readonly api: Api | undefined;
  /** Whether it is still being asked who is signed in. */
  readonly asking: boolean;
  /** Why nobody is signed in, when somebody was. */
  readonly notice: string | undefined;
  /** Tells one session from the next. */
  readonly ordinal: number;
  /** What a link wants that was followed while somebody is signed in. */
  readonly link: Link | undefined;
  /** Stays with the session that is open. */
  readonly stay: () => void;
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

type State = Pick<Session, 'api' | 'asking' | 'notice' | 'ordinal' | 'link'>;

const nobody: State = { api: undefined, asking: true, notice: undefined, ordinal: 0, link: undefined };

/**
 * Where a link leads whoever has a session open: a key of another account does not take its place unasked, or its sender
 * could have somebody work in his account who thinks it is his own.
 */
async function followed(key: string, open: Api): Promise<Api | Link> {
  try {
    const account = await accountOfKey(key);
    return account === open.account ? await apiWithKey(key) : { key, account };
  } catch (error) {
    return { refusal: refusalToSignIn(error, 'key') };
  }
}

export function useSession(): Session {
  const [state, setState] = useState<State>(nobody);
  const current = useRef<Api>(undefined);
  const begin = useCallback((api: Api) => {
    current.current = api;
    setState(({ ordinal }) => ({ ...nobody, api, asking: false, ordinal: ordinal + 1 }));
  }, []);
  const end = useCallback((notice?: string) => {
    current.current = undefined;
    setState(({ ordinal }) => ({ ...nobody, asking: false, notice, ordinal }));
  }, []);
  const stay = useCallback(() => setState(last => ({ ...last, link: undefined })), []);
  useEffect(() => {
    const open = async (key: string | undefined) => {
      try {
        const isOpen = current.current !== undefined;
        const before = current.current ?? (await apiOfBefore());
        if (before === undefined) return key === undefined ? end() : begin(await apiWithKey(key));
        if (!isOpen) begin(before);
        if (key === undefined) return;
        const found = await followed(key, before);
        if ('client' in found) begin(found);
        else setState(last => ({ ...last, link: found }));
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
  return { ...state, begin, end, stay };
}
