import type { EpochMs } from '../domain/message.ts';

/** A session or an access token to be kept; only the hash of the token is. */
export type Grant =
  | { readonly kind: 'session'; readonly tokenHash: Uint8Array; readonly userId: number; readonly expiresAt: EpochMs }
  | {
      readonly kind: 'access_token';
      readonly tokenHash: Uint8Array;
      readonly keyId: string;
      readonly expiresAt: EpochMs;
    };

/** What the writing thread is asked for. */
export type GrantRequest =
  | { readonly id: number; readonly action: 'add'; readonly grant: Grant; readonly now: EpochMs }
  | { readonly id: number; readonly action: 'end-session'; readonly tokenHash: Uint8Array };

/** `changed` tells whether there was anything to end. */
export type GrantReply =
  | { readonly id: number; readonly changed: boolean }
  | { readonly id: number; readonly failure: string };
