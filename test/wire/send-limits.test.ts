import { describe, expect, it } from 'vitest';
import { parseSendRequest } from '../../src/wire/send/send-request.ts';

/*
 * The vendor's limits of every field of a request to send, as its specification has them and apart from our schema: each
 * value at a bound is taken, each beyond it is refused at its place, and so is each field that must be there and is not.
 */

const now = Date.UTC(2026, 5, 1, 12);
const faults = (body: unknown) => (parseSendRequest(body, now).violations ?? []).map(one => one.property);

type Rule = { readonly taken: readonly unknown[]; readonly refused: readonly unknown[]; readonly isRequired: boolean };
type Rules = Readonly<Record<string, Rule>>;
/** What all fields of a kind of content may be, and one that has all of them. */
type Kind = { readonly sample: object; readonly rules: Rules };

const chars = (length: number) => 'x'.repeat(length);
const address = (length: number) => `https://e.com/${chars(length - 14)}`;
const rule = (taken: readonly unknown[], refused: readonly unknown[], isRequired = false): Rule => ({
  taken,
  refused,
  isRequired,
});
const required = ({ taken, refused }: Rule): Rule => rule(taken, [...refused, null], true);
const text = (min: number, max: number) =>
  rule([chars(min), chars(max)], [...(min > 0 ? [chars(min - 1)] : []), chars(max + 1), 7]);
/** Without a bound of the vendor's. */
const anyText = rule(['', chars(1), chars(5000)], [7, ['x'], {}]);
const url = (max: number) =>
  rule(
    [address(15), address(max), 'http://e.com/'],
    [address(max + 1), 'e.com', 'ftp://e.com/a', 'https://e.com/a b', 7],
  );
/** Without a bound of the vendor's. */
const anyUrl = rule([address(15), address(5000), 'http://e.com/'], ['e.com', 'ftp://e.com/a', 'https://e.com/a b', 7]);
const imageUrl = rule(['', ...anyUrl.taken], anyUrl.refused);
const oneOf = (...values: readonly string[]) => rule(values, ['OTHER', `${values[0]} `, 7]);
const number = (min: number, max: number) => rule([min, max, 0], [min - 0.001, max + 0.001, '1']);
const whole = (min: number, max: number) => rule([min, max], [min - 1, max + 1, min + 0.5, `${min}`]);
const amount = rule([1, 1_000_000], [0, -1, 1.5, '1']);
const flag = rule([true, false], ['true', 1]);
const list = (min: number, max: number, one: unknown) => {
  const of = (count: number) => Array.from({ length: count }, () => one);
  return rule([of(min), of(max)], [...(min > 0 ? [of(min - 1)] : []), of(max + 1), one]);
};
/** Without an upper bound of the vendor's. */
const longList = (min: number, one: unknown) =>
  rule(
    [Array.from({ length: Math.max(min, 1) }, () => one), Array.from({ length: 50 }, () => one)],
    [...(min > 0 ? [[]] : []), one],
  );
const object = (one: object) => rule([one], [7, 'x', [one]]);

/** The rules of what stands at a place. */
const at = (place: string, rules: Rules): Rules =>
  Object.fromEntries(Object.entries(rules).map(([name, own]) => [`${place}.${name}`, own]));

const urlButton = { type: 'URL', title: 'Open', url: 'https://e.com/' };
const postbackButton = { type: 'POSTBACK', title: 'Yes', payload: 'YES' };
const callButton = { type: 'CALL', title: 'Call', payload: '+385911234567' };
const buttons = [urlButton, postbackButton, callButton];
const buttonRules = (place: string): Rules => ({
  ...at(`${place}[0]`, { title: required(anyText), url: required(anyUrl) }),
  ...at(`${place}[1]`, { title: required(anyText), payload: required(anyText) }),
  ...at(`${place}[2]`, { title: required(text(0, 20)), payload: required(anyText) }),
});
const element = {
  title: 'One',
  subtitle: 'First',
  imageUrl: 'https://e.com/1.png',
  defaultAction: { url: 'https://e.com/1' },
  buttons,
};
const elementRules: Rules = {
  elements: required(list(1, 10, { title: 'One' })),
  ...at('elements[0]', {
    title: required(text(0, 80)),
    subtitle: text(0, 80),
    imageUrl,
    defaultAction: object({ url: 'https://e.com/' }),
    'defaultAction.url': required(anyUrl),
    buttons: list(0, 3, urlButton),
    ...buttonRules('buttons'),
  }),
};
const look = { imageUrl: 'https://e.com/n.png', notificationMessagesCtaText: 'ALLOW' };
const lookRules: Rules = {
  imageUrl,
  notificationMessagesCtaText: oneOf('ALLOW', 'GET', 'GET_UPDATES', 'OPT_IN', 'SIGN_UP'),
};
const frame = { imageAspectRatio: 'SQUARE', notificationMessagesTimezone: 'Europe/Zagreb' };
const frameRules: Rules = {
  imageAspectRatio: oneOf('SQUARE', 'HORIZONTAL'),
  notificationMessagesTimezone: anyText,
};

const templates: Readonly<Record<string, Kind>> = {
  BUTTON: {
    sample: { type: 'BUTTON', text: 'Choose', buttons },
    rules: { text: required(anyText), buttons: required(longList(1, urlButton)), ...buttonRules('buttons') },
  },
  GENERIC: { sample: { type: 'GENERIC', elements: [element] }, rules: elementRules },
  MARKETING_MESSAGE: { sample: { type: 'MARKETING_MESSAGE', elements: [element] }, rules: elementRules },
  OPT_IN: {
    sample: { type: 'OPT_IN', payload: 'topic', title: 'News?', ...look, ...frame },
    rules: { payload: required(anyText), title: text(0, 65), ...lookRules, ...frameRules },
  },
  OPT_IN_CAROUSEL: {
    sample: { type: 'OPT_IN_CAROUSEL', elements: [{ payload: 'topic', title: 'News?', ...look }], ...frame },
    rules: {
      elements: required(list(1, 5, { payload: 'topic', title: 'News?' })),
      ...at('elements[0]', { payload: required(anyText), title: required(text(0, 65)), ...lookRules }),
      ...frameRules,
    },
  },
};

const plain: Readonly<Record<string, Kind>> = {
  TEXT: { sample: { type: 'TEXT', text: 'Hello' }, rules: { text: required(text(0, 2000)) } },
  ...Object.fromEntries(
    Object.entries({ IMAGE: 1000, VIDEO: 800, AUDIO: 800, DOCUMENT: 800 }).map(([type, max]): [string, Kind] => [
      type,
      { sample: { type, url: 'https://e.com/a' }, rules: { url: required(url(max)) } },
    ]),
  ),
  LOCATION: {
    sample: { type: 'LOCATION', latitude: 45.8, longitude: 15.97, name: 'Office', address: 'Main Square 1' },
    rules: {
      latitude: required(number(-90, 90)),
      longitude: required(number(-180, 180)),
      name: anyText,
      address: anyText,
    },
  },
  SENDER_ACTION: {
    sample: { type: 'SENDER_ACTION', senderAction: 'MARK_SEEN' },
    rules: { senderAction: required(oneOf('MARK_SEEN', 'TYPING_ON', 'TYPING_OFF')) },
  },
  ...Object.fromEntries(
    Object.entries(templates).map(([type, { sample, rules }]): [string, Kind] => [
      `TEMPLATE ${type}`,
      { sample: { type: 'TEMPLATE', payload: sample }, rules: at('payload', rules) },
    ]),
  ),
};

const marketing = (content: object) => ({ type: 'MARKETING_MESSAGE', campaignId: 'c-1', content });
const contents: Readonly<Record<string, Kind>> = {
  ...plain,
  ...Object.fromEntries(
    ['COMMENT', 'POST'].flatMap(type =>
      Object.entries(plain).map(([inner, { sample, rules }]): [string, Kind] => [
        `${type} of ${inner}`,
        { sample: { type, content: sample }, rules: at('content', rules) },
      ]),
    ),
  ),
  OPT_IN_FOLLOWUP: { sample: { type: 'OPT_IN_FOLLOWUP', text: 'More' }, rules: { text: required(anyText) } },
  'MARKETING_MESSAGE of TEXT': {
    sample: marketing({ type: 'TEXT', payload: { text: 'Sale' } }),
    rules: {
      campaignId: required(anyText),
      'content.payload': required(object({ text: 'Sale' })),
      'content.payload.text': required(text(0, 2000)),
    },
  },
  ...Object.fromEntries(
    Object.entries(templates).map(([type, { sample, rules }]): [string, Kind] => [
      `MARKETING_MESSAGE of TEMPLATE ${type}`,
      {
        sample: marketing({ type: 'TEMPLATE', payload: sample }),
        rules: { campaignId: required(anyText), ...at('content.payload', rules) },
      },
    ]),
  ),
};

const quickReplies: Kind = {
  sample: [
    { type: 'TEXT', title: 'Red', payload: 'RED', imageUrl: 'https://e.com/red.png' },
    { type: 'PHONE_NUMBER' },
    { type: 'EMAIL' },
  ],
  rules: {
    '[0].title': required(text(0, 20)),
    '[0].payload': required(text(0, 1000)),
    '[0].imageUrl': imageUrl,
  },
};

const period = { amount: 5, timeUnit: 'HOURS' };
const periodRules: Rules = { amount: required(amount), timeUnit: oneOf('SECONDS', 'MINUTES', 'HOURS') };
const named = rule(['', chars(1), chars(255)], [chars(256), 'a\nb', 7]);
const options: Kind = {
  sample: {
    platform: { entityId: 'e', applicationId: 'a' },
    validityPeriod: period,
    deliveryTimeWindow: { days: ['MONDAY'], from: { hour: 2, minute: 0 }, to: { hour: 22, minute: 0 } },
    campaignReferenceId: 'c',
    smsFailover: {
      text: 'Hello',
      sender: 'Shop',
      validityPeriod: period,
      regional: {
        indiaDlt: { principalEntityId: 'p', contentTemplateId: 'c', telemarketerId: 't' },
        turkeyIys: { recipientType: 'TACIR', brandCode: 1 },
        southKorea: { title: 't', resellerCode: 2 },
      },
      destinationMatching: [{ initial: 'a', failover: 'b' }],
    },
  },
  rules: {
    ...at('platform', { entityId: named, applicationId: named }),
    ...at('validityPeriod', periodRules),
    ...at('deliveryTimeWindow', {
      days: required(longList(1, 'SUNDAY')),
      'days[0]': oneOf('MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'),
      'from.hour': required(whole(0, 23)),
      'from.minute': required(whole(0, 59)),
      'to.hour': required(whole(0, 23)),
      'to.minute': required(whole(0, 59)),
    }),
    campaignReferenceId: named,
    ...at('smsFailover', {
      text: required(anyText),
      sender: anyText,
      ...at('validityPeriod', periodRules),
      ...at('regional', {
        'indiaDlt.principalEntityId': required(anyText),
        'indiaDlt.contentTemplateId': anyText,
        'indiaDlt.telemarketerId': anyText,
        'turkeyIys.recipientType': required(oneOf('BIREYSEL', 'TACIR')),
        'turkeyIys.brandCode': whole(0, 2 ** 31 - 1),
        'southKorea.title': rule([chars(1), chars(66)], [chars(67), 7]),
        'southKorea.resellerCode': whole(0, 2 ** 31 - 1),
      }),
      'destinationMatching[0].initial': required(anyText),
      'destinationMatching[0].failover': required(anyText),
    }),
  },
};
/** The vendor has no bound; ours is beyond any real address. */
const webhookUrl = rule([address(15), address(1000), 'http://e.com/'], ['e.com', 'ftp://e.com/a', 7]);
const webhooks: Kind = {
  sample: {
    delivery: {
      url: 'https://e.com/d',
      intermediateReport: true,
      notify: true,
      receiveTriggeredFailoverReports: false,
    },
    contentType: 'application/json',
    callbackData: 'c',
    seen: { url: 'https://e.com/s' },
  },
  rules: {
    ...at('delivery', {
      url: webhookUrl,
      intermediateReport: flag,
      notify: flag,
      receiveTriggeredFailoverReports: flag,
    }),
    contentType: oneOf('application/json', 'application/xml'),
    callbackData: rule([chars(1), chars(4000)], [chars(4001), 7]),
    'seen.url': webhookUrl,
  },
};

type Step = string | number;
const stepsOf = (path: string): readonly Step[] =>
  [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map(([name, index]) => (index === undefined ? name : Number(index)));

/** A copy in which what stands at the path is another value, or is missing. */
function changed(whole: unknown, [step, ...rest]: readonly Step[], value: unknown): unknown {
  if (step === undefined) return value;
  if (Array.isArray(whole)) return whole.map((one, index) => (index === step ? changed(one, rest, value) : one));
  if (typeof whole !== 'object' || whole === null) throw new TypeError(`the sample has no ${step}`);
  const entries = Object.entries(whole);
  if (!entries.some(([name]) => name === step)) throw new TypeError(`the sample has no ${step}`);
  return Object.fromEntries(
    entries
      .map(([name, own]) => [name, name === step ? changed(own, rest, value) : own])
      .filter(([, own]) => own !== undefined),
  );
}

/** Every value of a sample that is neither an object nor a list, but for what says of which type it is. */
function leavesOf(whole: unknown, path = ''): readonly string[] {
  if (Array.isArray(whole)) return whole.flatMap((one, index) => leavesOf(one, `${path}[${index}]`));
  if (typeof whole !== 'object' || whole === null) return [path];
  return Object.entries(whole)
    .filter(([name]) => name !== 'type')
    .flatMap(([name, own]) => leavesOf(own, path === '' ? name : `${path}.${name}`));
}

const message = { sender: 'page-1', destinations: [{ to: 'p-1' }], content: { type: 'TEXT', text: 'Hello' } };

function check({ sample, rules }: Kind, field: string): void {
  const faultsOf = (value: unknown) => faults({ messages: [{ ...message, [field]: value }] });
  expect(faultsOf(sample)).toEqual([]);
  expect(leavesOf(sample).filter(path => !(path in rules) && !(path.replace(/\[\d+\]$/, '') in rules))).toEqual([]);
  for (const [path, { taken, refused, isRequired }] of Object.entries(rules)) {
    const [steps, place] = [stepsOf(path), `messages[0].${field}${path.startsWith('[') ? '' : '.'}${path}`];
    for (const value of taken) expect(faultsOf(changed(sample, steps, value)), `${place}: ${show(value)}`).toEqual([]);
    for (const value of refused) {
      const found = faultsOf(changed(sample, steps, value));
      expect(found.length > 0 && found.every(one => one.startsWith(place)), `${place}: ${show(value)}: ${found}`).toBe(
        true,
      );
    }
    if (steps.at(-1) === 0) continue;
    const missing = faultsOf(changed(sample, steps, undefined));
    expect(missing, `${place} is missing`).toEqual(isRequired ? [place] : []);
  }
}

const show = (value: unknown) => JSON.stringify(value)?.slice(0, 60);

describe('the vendor’s limits of a message', () => {
  it.each(Object.entries(contents))('%s → each field up to its bounds, and no further', (_, kind) => {
    check(kind, 'content');
  });

  it('quick replies, options, webhooks → each field up to its bounds, and no further', () => {
    check(quickReplies, 'quickReplies');
    check(options, 'options');
    check(webhooks, 'webhooks');
  });

  it('contents inside of contents → the eight plain ones in comments and posts, texts and templates in marketing', () => {
    const inner = (content: object) => faults({ messages: [{ ...message, content }] }).length > 0;
    for (const type of ['COMMENT', 'POST']) {
      for (const { sample } of Object.values(plain)) expect(inner({ type, content: sample })).toBe(false);
      for (const content of [
        { type: 'COMMENT', content: { type: 'TEXT', text: 'a' } },
        { type: 'OPT_IN_FOLLOWUP', text: 'a' },
        marketing({ type: 'TEXT', payload: { text: 'a' } }),
        { type: 'NONE' },
        {},
      ])
        expect(inner({ type, content }), JSON.stringify(content)).toBe(true);
    }
    for (const { sample } of Object.values(plain)) expect(inner(marketing(sample))).toBe(!('payload' in sample));
  });

  it('a schedule → its bulk id, its moment and its speed up to their bounds', () => {
    const faultsOf = (schedule: object) => faults({ messages: [message], options: { schedule } });
    const day = 86_400_000;
    for (const schedule of [
      { bulkId: '' },
      { bulkId: chars(100) },
      { sendAt: new Date(now + 180 * day).toISOString() },
      ...['MINUTE', 'HOUR', 'DAY'].map(timeUnit => ({ sendingSpeedLimit: { amount: 1, timeUnit } })),
      { sendingSpeedLimit: { amount: 10 } },
    ])
      expect(faultsOf(schedule), JSON.stringify(schedule)).toEqual([]);
    for (const [schedule, place] of [
      [{ bulkId: chars(101) }, 'bulkId'],
      [{ sendAt: new Date(now + 180 * day + 1).toISOString() }, 'sendAt'],
      [{ sendAt: 'tomorrow' }, 'sendAt'],
      [{ sendingSpeedLimit: { timeUnit: 'DAY' } }, 'sendingSpeedLimit.amount'],
      [{ sendingSpeedLimit: { amount: 1, timeUnit: 'WEEK' } }, 'sendingSpeedLimit.timeUnit'],
      [{ sendingSpeedLimit: { amount: 0 } }, 'sendingSpeedLimit.amount'],
    ] as const)
      expect(faultsOf(schedule), JSON.stringify(schedule)).toEqual([`options.schedule.${place}`]);
  });
});
