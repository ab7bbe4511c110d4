/** An error as Graph answers it. */
export type GraphError = {
  readonly code: number;
  readonly subcode?: number;
  readonly message: string;
  /** The HTTP status it comes with; 400 when absent. */
  readonly httpStatus?: number;
};

/** What becomes of a message to a destination. */
export type Behaviour = {
  readonly name: string;
  /** What the log shows in the end. */
  readonly outcome: string;
  /** Refused, each time or only so many times. */
  readonly refusal?: GraphError & { readonly times?: number };
  /** The message is taken and its answer never arrives; or the connection cannot be made at all. */
  readonly connection?: 'lost' | 'refused';
  readonly echo: boolean;
  readonly delivered: boolean;
  readonly seen: boolean;
};

const receipts = { echo: true, delivered: true, seen: false };
const nothing = { echo: false, delivered: false, seen: false };

const refuses = (
  name: string,
  outcome: string,
  code: number,
  subcode: number | undefined,
  message: string,
  httpStatus?: number,
): Behaviour => ({
  name,
  outcome,
  refusal: {
    code,
    message,
    ...(subcode !== undefined && { subcode }),
    ...(httpStatus !== undefined && { httpStatus }),
  },
  ...nothing,
});
const undeliverable = (error: string) => `UNDELIVERABLE_REJECTED_OPERATOR, ${error}`;

/** By their names: a message to `blocked`, or to `blocked+anything`, ends so. */
export const behaviours: readonly Behaviour[] = [
  { name: 'delivered', outcome: 'DELIVERED_TO_HANDSET', ...receipts },
  { name: 'seen', outcome: 'DELIVERED_TO_HANDSET, and seen', ...receipts, seen: true },
  {
    name: 'read',
    outcome: 'DELIVERED_TO_HANDSET, and seen: the receipt of the delivery never comes, that it was read does',
    echo: true,
    delivered: false,
    seen: true,
  },
  {
    name: 'no-receipt',
    outcome: 'EXPIRED_DLR_UNKNOWN, EC_VALIDITY_EXPIRED when its validity is over',
    ...receipts,
    delivered: false,
  },
  {
    name: 'lost-response',
    outcome: 'DELIVERED_TO_HANDSET: its echo proves that it was sent',
    connection: 'lost',
    ...receipts,
  },
  { name: 'lost', outcome: 'EXPIRED_DLR_UNKNOWN, EC_PROVIDER_TIMEOUT: nobody knows', connection: 'lost', ...nothing },
  refuses('unknown-user', undeliverable('EC_UNKNOWN_USER'), 100, 2018001, '(#100) No matching user found'),
  refuses('blocked', undeliverable('EC_BLOCKED_USER'), 551, 1545041, "(#551) This person isn't available right now."),
  refuses(
    'unauthorized',
    `${undeliverable('EC_UNAUTHORIZED_ACCESS')}; pauses the page`,
    190,
    463,
    'Error validating access token: Session has expired',
    401,
  ),
  refuses(
    'forbidden',
    undeliverable('EC_FORBIDDEN_ACCESS'),
    200,
    2018028,
    '(#200) Cannot message users who are not testers',
    403,
  ),
  refuses('bad-request', undeliverable('EC_BAD_REQUEST'), 100, 2018074, '(#100) Param attachment_id is invalid'),
  refuses('bad-template', undeliverable('EC_INVALID_TEMPLATE'), 100, 2018041, '(#100) web_url is empty'),
  refuses(
    'outside-window',
    undeliverable('EC_NO_SESSION'),
    10,
    2018278,
    '(#10) This message is sent outside of allowed window.',
    403,
  ),
  refuses(
    'account-issue',
    `${undeliverable('EC_ACCOUNT_ISSUE')}; pauses the page`,
    10904,
    undefined,
    '(#10904) Messages are disabled',
  ),
  refuses(
    'media-unreachable',
    undeliverable('EC_MEDIA_HOSTING_ERROR'),
    100,
    2018008,
    '(#100) Failed to fetch the file from the url',
  ),
  refuses('upload-failed', undeliverable('EC_MEDIA_UPLOAD_ERROR'), 100, 2018047, '(#100) Upload attachment failure.'),
  refuses(
    'too-big',
    undeliverable('EC_MEDIA_METADATA_ERROR'),
    100,
    2018109,
    '(#100) Attachment size exceeds allowable limit',
  ),
  refuses(
    'throttled',
    'EXPIRED_EXPIRED, EC_TOO_MANY_REQUESTS when its validity is over',
    613,
    undefined,
    '(#613) Calls to this api have exceeded the rate limit.',
  ),
  {
    name: 'throttled-twice',
    outcome: 'DELIVERED_TO_HANDSET, at the third try',
    refusal: { code: 613, message: '(#613) Calls to this api have exceeded the rate limit.', times: 2 },
    ...receipts,
  },
  refuses(
    'limited',
    undeliverable('EC_LIMITED_FUNCTIONALITY'),
    613,
    2018338,
    '(#613) The page sends too many messages that bother people.',
  ),
  refuses('capped', undeliverable('EC_FREQUENCY_CAPPING'), 4, 2018354, '(#4) The notification was sent too soon.'),
  refuses('opted-out', undeliverable('EC_MARKETING_OPT_OUT'), 10, 1893015, '(#10) The person stopped this topic.', 403),
  refuses('replied', undeliverable('EC_DUPLICATE_REQUEST'), 10900, undefined, '(#10900) Activity already replied to'),
  refuses(
    'faulty',
    undeliverable('EC_PROVIDER_INTERNAL_ERROR'),
    2,
    undefined,
    '(#2) Service temporarily unavailable',
    500,
  ),
  {
    name: 'faulty-twice',
    outcome: 'DELIVERED_TO_HANDSET, at the third try',
    refusal: { code: 2, message: '(#2) Service temporarily unavailable', httpStatus: 500, times: 2 },
    ...receipts,
  },
  {
    name: 'unreachable',
    outcome: 'EXPIRED_EXPIRED, EC_PROVIDER_TIMEOUT when its validity is over; pauses the page',
    connection: 'refused',
    ...nothing,
  },
  refuses('unknown-error', undeliverable('EC_UNKNOWN_ERROR'), 987654, undefined, '(#987654) An unknown error occurred'),
];

const byName = new Map(behaviours.map(one => [one.name, one]));

/** What the destination's name asks for; `undefined` for any other destination. */
export function behaviourOf(destination: string): Behaviour | undefined {
  const plus = destination.indexOf('+');
  return byName.get(plus < 0 ? destination : destination.slice(0, plus));
}

/** A behaviour by its name; a `RangeError` when there is none. */
export function behaviourNamed(name: string): Behaviour {
  const behaviour = byName.get(name);
  if (behaviour === undefined) throw new RangeError(`no behaviour is named ${name}`);
  return behaviour;
}
