import { useQuery } from '@tanstack/react-query';
import { type Account, type Key, readAccount, UnexpectedAnswer, type User } from '../../../../src/client/index.ts';
import { usePage } from '../../page-context.ts';
import { countText, inert, momentText } from '../../view/format.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Confirm } from '../forms/confirm.tsx';
import { Accounts } from './accounts.tsx';
import { AddKey, AddUser } from './adding.tsx';
import { isLive, KeyRow, keyHeads } from './key-row.tsx';
import { Listed, UsedCells, usedHeads, Yours } from './listed.tsx';
import { accountList } from './lists.ts';

/** Who may use the account: its keys and users, and when they last did. */
export function Access() {
  const { api, change } = usePage();
  const { data, error } = useQuery({
    queryKey: [accountList],
    queryFn: async ({ signal }) => {
      const found = readAccount(await api.client.call('GET', '/manage/1/account', undefined, { signal }));
      if (found === undefined) throw new UnexpectedAnswer('an account');
      return found;
    },
    refetchInterval: 10_000,
  });
  return (
    <main className="room" aria-label="Access">
      <div className="room-head">
        <button type="button" onClick={() => change(view => ({ ...view, room: undefined }))}>
          ← Back to the log
        </button>
        <h2>Access</h2>
      </div>
      {error !== null && <p role="alert">{refusalOf(error)}</p>}
      {data !== undefined && <Opened account={data} />}
    </main>
  );
}

function Opened({ account }: { readonly account: Account }) {
  const { api, view } = usePage();
  const { name, createdAt, requestsPerMinute, keys, users } = account;
  const warning = warningOf(account);
  return (
    <>
      <section className="sheet" aria-labelledby="account">
        <h3 id="account">Account {inert(name)}</h3>
        <p className="quiet">
          Made {momentText(createdAt, view.zone).slice(0, 19)};{' '}
          {requestsPerMinute === undefined
            ? 'as many requests a minute to the log as the server is set to'
            : `${countText(requestsPerMinute)} requests a minute to the log`}
          .{!api.offers.accounts && ' Further accounts are made by whoever manages the first one, “default”.'}
        </p>
      </section>
      <section className="sheet" aria-labelledby="keys">
        <h3 id="keys">Keys</h3>
        <Listed label="Keys" heads={keyHeads}>
          {keys.map(key => (
            <KeyRow key={key.id} of={key} warning={warning} />
          ))}
        </Listed>
        <AddKey />
      </section>
      <section className="sheet" aria-labelledby="users">
        <h3 id="users">Users</h3>
        <p className="quiet">They sign in by a password.</p>
        {users.length > 0 && (
          <Listed label="Users" heads={userHeads}>
            {users.map(user => (
              <UserRow key={user.name} of={user} warning={warning} />
            ))}
          </Listed>
        )}
        <AddUser account={name} />
      </section>
      {api.offers.accounts && <Accounts />}
    </>
  );
}

/** What it costs to take away what one is signed in with. */
function warningOf({ keys, users }: Account): string {
  const manages = ({ scopes, isYours }: Key | User) => isYours !== true && scopes.includes('messenger:manage');
  const isUnbound = ({ applicationId, entityId }: Key) => applicationId === undefined && entityId === undefined;
  const areOthers = keys.some(key => manages(key) && isLive(key) && isUnbound(key)) || users.some(manages);
  const isShut = areOthers ? '' : ' Nobody else manages this account: only a command where the server runs will.';
  return `You are signed in with it: within a second you are out.${isShut}`;
}

const userHeads = ['User', ...usedHeads];

function UserRow({ of: user, warning }: { readonly of: User; readonly warning: string }) {
  const act = useAct(accountList);
  return (
    <tr>
      <th scope="row">
        {inert(user.name)}
        <Yours of={user} />
      </th>
      <UsedCells of={user} />
      <td>
        <Confirm
          label="Remove"
          question={user.isYours === true ? warning : 'The user is signed out.'}
          onConfirm={() => act.mutate({ method: 'DELETE', path: `/manage/1/users/${encodeURIComponent(user.name)}` })}
        />
        {act.error !== null && <span role="alert">{refusalOf(act.error)}</span>}
      </td>
    </tr>
  );
}
