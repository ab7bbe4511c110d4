const buttons = [
  { type: 'URL', title: 'Open', url: 'https://example.com/a' },
  { type: 'POSTBACK', title: 'Yes', payload: 'YES' },
  { type: 'CALL', title: 'Call', payload: '+385911234567' },
];
const elements = [
  {
    title: 'One',
    subtitle: 'First',
    imageUrl: 'https://example.com/1.png',
    defaultAction: { url: 'https://example.com/1' },
    buttons,
  },
  { title: 'Two', subtitle: 'Second', buttons: [] },
];

const templates = [
  { type: 'BUTTON', text: 'Choose', buttons },
  { type: 'GENERIC', elements },
  {
    type: 'OPT_IN',
    payload: 'topic',
    title: 'News?',
    imageUrl: 'https://example.com/n.png',
    imageAspectRatio: 'SQUARE',
    notificationMessagesTimezone: 'Europe/Zagreb',
    notificationMessagesCtaText: 'GET_UPDATES',
  },
  {
    type: 'OPT_IN_CAROUSEL',
    elements: [
      { payload: 'topic', title: 'News?', imageUrl: 'https://example.com/n.png', notificationMessagesCtaText: 'ALLOW' },
    ],
    imageAspectRatio: 'HORIZONTAL',
    notificationMessagesTimezone: 'Europe/Zagreb',
  },
  { type: 'MARKETING_MESSAGE', elements },
] as const;

const plain = [
  { type: 'TEXT', text: 'Hello' },
  { type: 'IMAGE', url: 'https://example.com/i.png' },
  { type: 'VIDEO', url: 'https://example.com/v.mp4' },
  { type: 'AUDIO', url: 'https://example.com/a.mp3' },
  { type: 'DOCUMENT', url: 'https://example.com/d.pdf' },
  { type: 'LOCATION', latitude: 45.8, longitude: 15.97, name: 'Office', address: 'Main Square 1' },
  { type: 'LOCATION', latitude: -33.5, longitude: 151 },
  { type: 'SENDER_ACTION', senderAction: 'TYPING_ON' },
  ...templates.map(payload => ({ type: 'TEMPLATE', payload })),
] as const;

/** One of every kind of content, and of every kind inside of those that hold another. */
export const contents: readonly Readonly<Record<string, unknown>>[] = [
  ...plain,
  ...plain.flatMap(content => [
    { type: 'COMMENT', content },
    { type: 'POST', content },
  ]),
  { type: 'OPT_IN_FOLLOWUP', text: 'There is more' },
  { type: 'MARKETING_MESSAGE', campaignId: 'c-1', content: { type: 'TEXT', payload: { text: 'Sale' } } },
  { type: 'MARKETING_MESSAGE', campaignId: 'c-1', content: { type: 'TEMPLATE', payload: templates[1] } },
];

export const quickReplies = [
  { type: 'TEXT', title: 'Red', payload: 'RED', imageUrl: 'https://example.com/red.png' },
  { type: 'PHONE_NUMBER' },
  { type: 'EMAIL' },
];
