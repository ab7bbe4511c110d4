import { expect, test } from 'vitest';
import { hosts } from '../../src/setting-kinds.ts';

test('names of hosts, with a port or without, none at all → those', () => {
  expect(hosts.parse('api.infobip.com, 127.0.0.1:8081')).toEqual(['api.infobip.com', '127.0.0.1:8081']);
  expect(hosts.parse('')).toEqual([]);
});

test.each(['https://x', 'a/b', 'a,,b', 'user@a', 'A.example.com', '*.example.com/'])('"%s" → refused', text => {
  expect(() => hosts.parse(text)).toThrow('is not a list of hosts');
});
