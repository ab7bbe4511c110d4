/** Asks for a piece of work, or ends it all. */
export type Paced = { readonly ask: () => void; readonly end: () => void };

/** What comes together is one; nobody sees so short a wait. */
const gatherMs = 100;
const restMsMin = 700;
/** Of what takes long no server is asked without a pause: a fifth of the time at most. */
const restShare = 4;

/**
 * Does a piece of work soon after it was asked for: once for all who ask meanwhile, never twice at the same time, and with
 * rests between. Work that was asked for while some is under way is done once more, since that may have begun too early.
 * `work` must not reject.
 */
export function paced(work: () => Promise<unknown>): Paced {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isAsked = false;
  let isAtRest = true;
  let isOver = false;
  const later = (next: () => void, ms: number) => {
    if (!isOver) timer = setTimeout(next, ms);
  };
  const begin = async () => {
    isAsked = false;
    const begunAt = performance.now();
    await work();
    later(rested, Math.max(restMsMin, (performance.now() - begunAt) * restShare));
  };
  const rested = () => {
    if (isAsked) void begin();
    else isAtRest = true;
  };
  return {
    ask: () => {
      isAsked = true;
      if (!isAtRest) return;
      isAtRest = false;
      later(begin, gatherMs);
    },
    end: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
