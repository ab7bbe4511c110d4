export type Submission = Readonly<Record<string, unknown>> & { readonly messageId: string };

export function instant(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '+0000');
}

const minuteMs = 60_000;
const endings = [
  { status: { name: 'DELIVERED_TO_HANDSET' } },
  { status: { name: 'DELIVERED_TO_HANDSET' } },
  { status: { name: 'DELIVERED_TO_HANDSET' } },
  { status: { name: 'DELIVERED_TO_OPERATOR' } },
  { status: { name: 'UNDELIVERABLE_NOT_DELIVERED' }, error: { name: 'EC_ABSENT_SUBSCRIBER' } },
  { status: { name: 'EXPIRED_EXPIRED' }, error: { name: 'EC_ABSENT_SUBSCRIBER_SM' } },
  { status: { name: 'REJECTED_DND' } },
  {},
] as const;

const contents = [
  { type: 'TEXT', text: 'Hi Amira, your order 48213 is on its way.' },
  {
    type: 'TEMPLATE',
    payload: {
      type: 'BUTTON',
      text: 'Ravi, how was your visit in Oslo?',
      buttons: [
        { type: 'POSTBACK', title: 'Good', payload: 'RATED_GOOD' },
        { type: 'URL', title: 'Tell us more', url: 'https://www.example.com/feedback/77' },
      ],
    },
  },
  { type: 'IMAGE', url: 'https://media.example.com/pictures/12.jpg' },
  { type: 'TEXT', text: 'Your table for 4 at 19:30 is booked. 🍽️' },
] as const;

function at<T>(list: readonly T[], index: number): T {
  const one = list[index % list.length];
  if (one === undefined) throw new Error('an empty list');
  return one;
}

/** Messages of one campaign, one every so often, the first the newest; the same ones for the same arguments. */
export function messagesOf(campaign: string, count: number, nowMs: number, everyMs = minuteMs): Submission[] {
  return Array.from({ length: count }, (_, index) => {
    const sentMs = nowMs - minuteMs - index * everyMs;
    const ending = at(endings, index);
    const done = 'status' in ending && ending.status.name !== 'DELIVERED_TO_OPERATOR';
    return {
      messageId: `${campaign}-${String(index).padStart(6, '0')}`,
      bulkId: `${campaign}-bulk-${Math.floor(index / 10)}`,
      sender: at(['105873492110234', '118402657730981', '131950284476502'], index),
      destination: `44770090${String(index).padStart(4, '0')}`,
      sentAt: instant(sentMs),
      campaignReferenceId: campaign,
      platform: at([{ entityId: 'harbour-coffee', applicationId: 'order-updates' }, { entityId: 'fjord-air' }], index),
      price: at(
        [
          { pricePerMessage: 0.0063, currency: 'EUR' },
          { pricePerMessage: 0.094, currency: 'SEK' },
        ],
        index,
      ),
      content: at(contents, index),
      ...ending,
      ...(done && { doneAt: instant(sentMs + 800 + (index % 40) * 300) }),
    };
  });
}
