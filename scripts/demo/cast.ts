import type { Random } from './random.ts';

/** Someone who sends: a Messenger page, and the platform it sends through. */
export type Sender = {
  readonly page: string;
  readonly entityId?: string;
  readonly applications: readonly string[];
  readonly currency: string;
  readonly pricePerMessage: number;
  readonly recipients: number;
  /** How much of all traffic is its. */
  readonly weight: number;
  readonly campaigns: readonly string[];
};

export const senders: readonly Sender[] = [
  {
    page: '105873492110234',
    entityId: 'harbour-coffee',
    applications: ['order-updates', 'loyalty'],
    currency: 'EUR',
    pricePerMessage: 0.0063,
    recipients: 4000,
    weight: 34,
    campaigns: ['summersale', 'autumn-blend', 'loyalty-week'],
  },
  {
    page: '118402657730981',
    entityId: 'fjord-air',
    applications: ['booking', 'disruption'],
    currency: 'SEK',
    pricePerMessage: 0.094,
    recipients: 6000,
    weight: 27,
    campaigns: ['city-breaks', 'checkin-reminder'],
  },
  {
    page: '131950284476502',
    entityId: 'meridian-bank',
    applications: ['alerts', 'service-desk'],
    currency: 'GBP',
    pricePerMessage: 0.0071,
    recipients: 5000,
    weight: 22,
    campaigns: ['card-renewal'],
  },
  {
    page: '144720913385617',
    entityId: 'promotional-traffic-entity',
    applications: ['marketing-automation-application'],
    currency: 'USD',
    pricePerMessage: 0.0085,
    recipients: 3000,
    weight: 12,
    campaigns: ['summersale', 'black-friday', 'spring-outlet'],
  },
  // A page that was set up before entities and applications existed: its logs carry neither.
  {
    page: '156093847720145',
    applications: [],
    currency: 'EUR',
    pricePerMessage: 0.0079,
    recipients: 800,
    weight: 5,
    campaigns: [],
  },
];

/** A person as one page knows them: few write often, most now and then. */
export function recipient(sender: Sender, random: Random): string {
  const person = Math.floor(sender.recipients * random.next() ** 2);
  return `${sender.page.slice(0, 6)}${String(person * 7919 + 1_000_003).padStart(10, '0')}`;
}

const names = ['Amira', 'Jonas', 'Sofía', 'Wei', 'Noor', 'Mateo', 'Łucja', 'Ravi', 'Ingrid', 'Kofi'];
const places = ['Oslo', 'Zürich', 'São Paulo', 'Leeds', 'Kraków', 'Lisbon', '東京', 'Tallinn'];
const media = 'https://media.example.com';

type Content = { readonly type: string } & Readonly<Record<string, unknown>>;

const texts: readonly ((random: Random) => string)[] = [
  random => `Hi ${random.pick(names)}, your order ${random.between(10_000, 99_999)} is on its way.`,
  random => `Your code is ${random.between(100_000, 999_999)}. It is good for ten minutes. Share it with no one.`,
  random =>
    `${random.pick(names)}, your table for ${random.between(2, 8)} at ${random.between(17, 21)}:30 is booked. 🍽️`,
  random => `Gate change: your flight to ${random.pick(places)} now leaves from gate ${random.between(1, 60)}.`,
  random => `We took ${random.between(3, 180)}.${random.between(10, 99)} from your account today. Not you? Reply STOP.`,
  random => `Thank you for writing, ${random.pick(names)}. A colleague answers within ${random.between(1, 4)} hours.`,
];

function buttons(random: Random): Content {
  return {
    type: 'TEMPLATE',
    payload: {
      type: 'BUTTON',
      text: `${random.pick(names)}, how was your visit in ${random.pick(places)}?`,
      buttons: [
        { type: 'POSTBACK', title: 'Good', payload: 'RATED_GOOD' },
        { type: 'POSTBACK', title: 'Not so good', payload: 'RATED_BAD' },
        { type: 'URL', title: 'Tell us more', url: `https://www.example.com/feedback/${random.between(1, 9999)}` },
      ],
    },
  };
}

function carousel(random: Random): Content {
  const elements = Array.from({ length: random.between(2, 4) }, () => ({
    title: `${random.pick(places)} from ${random.between(29, 199)}`,
    subtitle: 'Until Sunday',
    imageUrl: `${media}/offers/${random.between(1, 40)}.jpg`,
    buttons: [{ type: 'URL', title: 'See the offer', url: `https://www.example.com/offers/${random.between(1, 40)}` }],
  }));
  return { type: 'TEMPLATE', payload: { type: 'GENERIC', elements } };
}

const file = (type: string, folder: string, extension: string) => (random: Random) => ({
  type,
  url: `${media}/${folder}/${random.between(1, 400)}.${extension}`,
});

function location(random: Random): Content {
  const latitude = random.between(-60_000, 60_000) / 1000;
  return { type: 'LOCATION', latitude, longitude: random.between(-170_000, 170_000) / 1000, name: random.pick(places) };
}

const written = (random: Random): Content => ({ type: 'TEXT', text: random.pick(texts)(random) });

/** What single messages say. */
export function singleContent(random: Random): Content {
  return random.weighted<(random: Random) => Content>([
    [62, written],
    [12, buttons],
    [8, file('IMAGE', 'pictures', 'jpg')],
    [6, file('DOCUMENT', 'tickets', 'pdf')],
    [4, file('VIDEO', 'clips', 'mp4')],
    [3, file('AUDIO', 'voice', 'mp3')],
    [5, location],
  ])(random);
}

/** What a whole bulk says. */
export function campaignContent(random: Random): Content {
  return random.weighted<(random: Random) => Content>([
    [45, carousel],
    [30, buttons],
    [25, written],
  ])(random);
}
