/** How a simulated Meta behaves. Shares are from 0 to 1. */
export type SimulatorTerms = {
  /** The same seed and the same calls give the same outcomes. */
  readonly seed: number;
  /** Before Graph answers. */
  readonly answerMs: number;
  /** From the message to its echo, its delivery and its being seen; each is spread by a half around it. */
  readonly echoMs: number;
  readonly deliveredMs: number;
  readonly seenMs: number;
  /** Messages whose answer never arrives although they are sent. */
  readonly lostShare: number;
  /** Receipts that come twice. */
  readonly duplicateShare: number;
  /** Receipts that come late, after others. */
  readonly reorderShare: number;
  /** Calls that are throttled. */
  readonly throttledShare: number;
  /** How destinations without a name of their own behave, by weight. */
  readonly mix: Readonly<Record<string, number>>;
};

export const defaultTerms: SimulatorTerms = {
  seed: 1,
  answerMs: 0,
  echoMs: 20,
  deliveredMs: 150,
  seenMs: 600,
  lostShare: 0,
  duplicateShare: 0,
  reorderShare: 0,
  throttledShare: 0,
  mix: { seen: 1 },
};
