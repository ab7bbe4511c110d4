import { test } from 'vitest';
import { killWhileRecording } from '../support/killed-log.ts';

test('killed six times while recording → all that was answered is there, once, with its reports', () =>
  killWhileRecording(6));
