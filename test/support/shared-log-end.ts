import { afterAll } from 'vitest';
import { closeSharedLog } from './shared-log.ts';

afterAll(closeSharedLog);
