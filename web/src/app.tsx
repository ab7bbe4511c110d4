import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Suspense, useMemo } from 'react';
import { isPassing } from '../../src/client/retry.ts';
import type { Api } from './api/api.ts';
import { pauseMs, troubleOf } from './api/trouble.ts';
import { LogPage } from './log-page.tsx';
import { later } from './parts/forms/later.tsx';
import { SignIn } from './parts/frame/sign-in.tsx';
import { useSession } from './session.ts';

const OtherAccount = later(async () => (await import('./parts/frame/other-account.tsx')).OtherAccount);

function createQueries(onSignedOut: () => void): QueryClient {
  const onError = (error: Error) => {
    if (troubleOf(error).kind === 'signed-out') onSignedOut();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    defaultOptions: {
      // What passes is waited for; the banner says so meanwhile.
      queries: {
        retry: (_attempts, error) => isPassing(error),
        retryDelay: pauseMs,
        networkMode: 'always',
        refetchOnWindowFocus: false,
      },
    },
  });
}

export function App() {
  const { api, asking, notice, ordinal, link, begin, end, stay } = useSession();
  if (asking) return null;
  if (api === undefined) return <SignIn notice={notice} onSignedIn={begin} />;
  return (
    <>
      <SignedIn key={ordinal} api={api} onEnd={end} />
      <Suspense>
        {link !== undefined && <OtherAccount link={link} account={api.account} onStay={stay} onSignedIn={begin} />}
      </Suspense>
    </>
  );
}

function SignedIn({ api, onEnd }: { readonly api: Api; readonly onEnd: (notice?: string) => void }) {
  const queries = useMemo(() => createQueries(() => onEnd(api.whyEnded())), [api, onEnd]);
  return (
    <QueryClientProvider client={queries}>
      <LogPage api={api} onEnd={onEnd} />
    </QueryClientProvider>
  );
}
