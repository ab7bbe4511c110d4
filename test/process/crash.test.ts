import { test } from 'vitest';
import { killWhileRecording } from '../support/killed-log.ts';
import { isThorough } from '../support/properties.ts';

test('killed time and again while recording → all that was answered is there, once, with its reports', () =>
  killWhileRecording(isThorough ? 6 : 4));
