import type { AccountId, Price } from '../domain/message.ts';
import type { Outgoing } from '../domain/outgoing.ts';
import type { GraphBody } from '../graph/bodies.ts';
import type { GraphAnswer } from '../graph/outcomes.ts';

/** A page that an account sends over. */
export type Page = {
  readonly id: string;
  readonly price?: Price;
  /** Changes with the page's settings: a page that was paused is tried again when they have changed. */
  readonly version: string;
};

/** Which pages an account has. */
export interface Pages {
  page(account: AccountId, sender: string): Promise<Page | undefined>;
  /** Whether the account has any. */
  hasAny(account: AccountId): Promise<boolean>;
  /** Which accounts watch each page that is watched. */
  watchers(): Promise<ReadonlyMap<string, readonly AccountId[]>>;
}

/** What carries messages to people. */
export interface Carrier {
  /** Whether what was being sent may arrive although this process is gone. */
  readonly outlivesProcess: boolean;
  /** Told of messages that are about to be accepted: they are sent soon, much later, by another process or never. */
  asked?(account: AccountId, messages: readonly Pick<Outgoing, 'messageId'>[]): void;
  /** Never rejects for what can happen outside: that is an answer too. */
  send(account: AccountId, page: Page, body: GraphBody): Promise<GraphAnswer>;
  /** Waits no longer for what is under way: its answer is lost. */
  giveUp?(): void;
}
