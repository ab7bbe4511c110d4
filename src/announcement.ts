import { firstAccount } from './accounts/accounts.ts';
import { signInLink } from './http/routes/page.ts';

type Listening = { readonly url: string; readonly firstKey: string | undefined };

/** Printed when a server listens; `firstKey` is the key that this start made, if it made one. */
export function announcement({ url, firstKey }: Listening): string {
  const listens = `sentlog listens on ${url}\n`;
  if (firstKey === undefined) return `${listens}The page is at  ${url}/\n`;
  const message = {
    messageId: 'hello-1',
    sender: '44113496000',
    destination: '66855538125',
    content: { type: 'TEXT', text: 'Hello' },
  };
  const authorization = `-H 'Authorization: App ${firstKey}'`;
  return `${listens}
This log is new. It got an account, "${firstAccount}", and this key, which is shown only now:

  ${firstKey}

See the log in a browser; this link signs in with the key:

  ${signInLink(url, firstKey)}

Record a message, and read it back:

  curl '${url}/messenger/1/logs' ${authorization} -H 'Content-Type: application/json' -d '${JSON.stringify({ results: [message] })}'

  curl '${url}/messenger/1/logs?limit=10' ${authorization}

`;
}

export function emulatorAnnouncement({ url }: Pick<Listening, 'url'>): string {
  const message = { sender: 'my-page', destinations: [{ to: 'seen' }], content: { type: 'TEXT', text: 'Hello' } };
  const authorization = "-H 'Authorization: App any'";
  return `the emulator listens on ${url}

Any key is let in, and nothing is sent anywhere. Send a message, and see what became of it:

  curl '${url}/messenger/1/messages' ${authorization} -H 'Content-Type: application/json' -d '${JSON.stringify({ messages: [message] })}'

  curl '${url}/messenger/1/logs' ${authorization}

The name of a destination says what becomes of its messages: curl '${url}/emulator/destinations' ${authorization}

The page has a form that sends one of any kind:  ${signInLink(url, 'any')}

`;
}
