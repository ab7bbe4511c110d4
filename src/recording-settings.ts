import { choice, setting } from './setting-kinds.ts';

/** What is recorded. */
export const recordingSettings = Object.freeze({
  content: setting(
    'SENTLOG_CONTENT',
    choice('any', 'strict'),
    'any',
    "What becomes of a message whose content is not as the vendor's schema has it for its type: `any` is recorded, and counted as `flawed` in the answer; `strict` rejects it",
  ),
});
