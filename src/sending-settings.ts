import { BadValue, choice, type Kind, networks, optional, serverUrl, setting } from './setting-kinds.ts';

const graphVersion: Kind<string> = {
  parse: text => {
    if (!/^v\d{1,3}\.\d{1,2}$/.test(text)) throw new BadValue('is not a version such as v25.0');
    return text;
  },
};
const verifyToken: Kind<string> = {
  parse: text => {
    if (!/^[\x21-\x7e]{1,256}$/.test(text)) throw new BadValue('is not a token: up to 256 characters without spaces');
    return text;
  },
};

/** How messages leave. */
export const sendingSettings = Object.freeze({
  carrier: setting(
    'SENTLOG_CARRIER',
    choice('none', 'graph', 'simulated'),
    'none',
    "What carries the messages of `POST /messenger/1/messages`: `graph` is Meta's Graph API, `simulated` plays Meta and sends nowhere, `none` takes no messages",
  ),
  graphUrl: setting('SENTLOG_GRAPH_URL', serverUrl, 'https://graph.facebook.com', 'Where the Graph API is'),
  graphVersion: setting('SENTLOG_GRAPH_VERSION', graphVersion, 'v25.0', 'Version of the Graph API that is called'),
  webhookVerifyToken: {
    ...setting(
      'SENTLOG_WEBHOOK_VERIFY_TOKEN',
      optional(verifyToken),
      '',
      'Token that Meta shows when its webhook at `/webhooks/meta` is set up',
    ),
    secret: true,
  },
  pushNetworks: setting(
    'SENTLOG_PUSH_NETWORKS',
    networks,
    '',
    'Networks that reports may be pushed to although they are not public, such as `10.0.0.0/8`, separated by commas; none when empty',
  ),
});

type Told = { readonly carrier: string; readonly secrets: readonly string[] };

/** Why messages cannot be sent by these settings together; `undefined` when they can. */
export function sendingFault({ carrier, secrets }: Told): string | undefined {
  const { env } = sendingSettings.carrier;
  if (carrier === 'graph' && secrets.length === 0)
    return `${env}=graph needs SENTLOG_SECRET: the tokens of pages are kept encrypted`;
  return undefined;
}
