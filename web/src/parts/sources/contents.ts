/** A field of a small form: its text goes into the content that is sent. */
export type ContentField = {
  readonly name: string;
  readonly label: string;
  readonly preset: string;
  readonly kind?: 'url' | 'number' | 'long';
  readonly choices?: readonly string[];
};

type Texts = Readonly<Record<string, string>>;

/** A kind of content, as a form and as what is sent. */
export type ContentForm = {
  readonly name: string;
  readonly label: string;
  readonly fields: readonly ContentField[];
  readonly content: (texts: Texts) => object;
};

const text: ContentField = { name: 'text', label: 'Text', preset: 'Hello from sentlog', kind: 'long' };
const url = (preset: string): ContentField => ({ name: 'url', label: 'Address', preset, kind: 'url' });
const title: ContentField = { name: 'title', label: 'Title', preset: 'Two rooms for the price of one' };
const subtitle: ContentField = { name: 'subtitle', label: 'Subtitle', preset: 'Only this week' };
const button: ContentField = { name: 'button', label: 'Button', preset: 'Show me' };
const link: ContentField = { name: 'link', label: 'Where it leads', preset: 'https://example.com/', kind: 'url' };
const payload: ContentField = { name: 'payload', label: 'Payload', preset: 'news' };
const campaignId: ContentField = { name: 'campaignId', label: 'Campaign of the page', preset: '23851234567890123' };

const buttons = ({ button: name, link: leadsTo }: Texts) => [{ type: 'URL', title: name, url: leadsTo }];
const element = (texts: Texts) => ({ title: texts.title, subtitle: texts.subtitle, buttons: buttons(texts) });
const media = (type: string, label: string, preset: string): ContentForm => ({
  name: type,
  label,
  fields: [url(preset)],
  content: texts => ({ type, url: texts.url }),
});
const template = (type: string, label: string, fields: readonly ContentField[], body: (texts: Texts) => object) => ({
  name: `TEMPLATE ${type}`,
  label,
  fields,
  content: (texts: Texts) => ({ type: 'TEMPLATE', payload: { type, ...body(texts) } }),
});

/** Every kind of content that a message can have. */
export const contentForms: readonly ContentForm[] = [
  { name: 'TEXT', label: 'Text', fields: [text], content: texts => ({ type: 'TEXT', text: texts.text }) },
  media('IMAGE', 'Image', 'https://example.com/picture.png'),
  media('VIDEO', 'Video', 'https://example.com/film.mp4'),
  media('AUDIO', 'Audio', 'https://example.com/sound.mp3'),
  media('DOCUMENT', 'Document', 'https://example.com/invoice.pdf'),
  {
    name: 'LOCATION',
    label: 'Location',
    fields: [
      { name: 'latitude', label: 'Latitude', preset: '45.8131', kind: 'number' },
      { name: 'longitude', label: 'Longitude', preset: '15.9772', kind: 'number' },
      { name: 'name', label: 'Name', preset: 'Ban Jelačić Square' },
      { name: 'address', label: 'Address', preset: 'Zagreb' },
    ],
    content: ({ latitude, longitude, name, address }) => ({
      type: 'LOCATION',
      latitude: Number(latitude),
      longitude: Number(longitude),
      ...(name && { name }),
      ...(address && { address }),
    }),
  },
  {
    name: 'SENDER_ACTION',
    label: 'Sender action',
    fields: [
      {
        name: 'senderAction',
        label: 'Action',
        preset: 'TYPING_ON',
        choices: ['TYPING_ON', 'TYPING_OFF', 'MARK_SEEN'],
      },
    ],
    content: ({ senderAction }) => ({ type: 'SENDER_ACTION', senderAction }),
  },
  template('BUTTON', 'Template with buttons', [text, button, link], texts => ({
    text: texts.text,
    buttons: buttons(texts),
  })),
  template('GENERIC', 'Template of cards', [title, subtitle, button, link], texts => ({ elements: [element(texts)] })),
  template('OPT_IN', 'Opt-in', [title, payload], texts => ({ payload: texts.payload, title: texts.title })),
  template('OPT_IN_CAROUSEL', 'Opt-in of cards', [title, payload], texts => ({
    elements: [{ payload: texts.payload, title: texts.title }],
  })),
  template('MARKETING_MESSAGE', 'Marketing template', [title, subtitle, button, link], texts => ({
    elements: [element(texts)],
  })),
  { name: 'COMMENT', label: 'Answer to a comment', fields: [text], content: inside('COMMENT') },
  { name: 'POST', label: 'Answer to a post', fields: [text], content: inside('POST') },
  {
    name: 'OPT_IN_FOLLOWUP',
    label: 'Follow-up of an opt-in',
    fields: [text],
    content: texts => ({ type: 'OPT_IN_FOLLOWUP', text: texts.text }),
  },
  {
    name: 'MARKETING_MESSAGE',
    label: 'Marketing message',
    fields: [campaignId, text],
    content: texts => ({
      type: 'MARKETING_MESSAGE',
      campaignId: texts.campaignId,
      content: { type: 'TEXT', payload: { text: texts.text } },
    }),
  },
];

/** An action shows nothing that replies could be offered below. */
export const hasQuickReplies = ({ name }: ContentForm) => name !== 'SENDER_ACTION';

function inside(type: string) {
  return (texts: Texts) => ({ type, content: { type: 'TEXT', text: texts.text } });
}
