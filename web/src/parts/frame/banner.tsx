import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { isPassing } from '../../../../src/client/retry.ts';
import { type Trouble, troubleOf } from '../../api/trouble.ts';

type Shown = { readonly kind: Trouble['kind']; readonly untilMs: number };

/** What keeps calls from being answered now, though they are tried again. */
function useTrouble(): Shown | undefined {
  const cache = useQueryClient().getQueryCache();
  const [shown, setShown] = useState<Shown>();
  const last = useRef<{ readonly error: unknown; readonly shown: Shown }>(undefined);
  useEffect(() => {
    const look = () => {
      const failing = cache.findAll({ predicate: query => query.state.fetchStatus !== 'idle' });
      const error = failing.map(query => query.state.fetchFailureReason).find(isWaitedFor);
      if (error === undefined) last.current = undefined;
      else if (last.current?.error !== error) {
        const trouble = troubleOf(error);
        const pauseMs = trouble.kind === 'rate-limited' ? trouble.retryAfterMs : 0;
        last.current = { error, shown: { kind: trouble.kind, untilMs: Date.now() + pauseMs } };
      }
      setShown(last.current?.shown);
    };
    return cache.subscribe(look);
  }, [cache]);
  return shown;
}

function isWaitedFor(error: Error | null): error is Error {
  return error !== null && isPassing(error);
}

export function Banner({ lost }: { readonly lost: boolean }) {
  const trouble = useTrouble();
  const kind = trouble?.kind ?? (lost ? 'gone' : undefined);
  return (
    <div role="status" className={kind === undefined ? undefined : `banner banner-${kind}`}>
      {kind === 'rate-limited' && trouble !== undefined && <Countdown untilMs={trouble.untilMs} />}
      {kind === 'gone' && (
        <p>
          <strong>The server does not answer.</strong> What you see may be out of date. Trying again by itself.
        </p>
      )}
    </div>
  );
}

function Countdown({ untilMs }: { readonly untilMs: number }) {
  const [nowMs, setNowMs] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), 250);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1000));
  return (
    <p>
      <strong>Too many requests.</strong> The server asks to wait. {/* Not read out second by second. */}
      <span aria-live="off">{seconds > 0 ? `Going on in ${seconds} s.` : 'Going on …'}</span>
    </p>
  );
}
