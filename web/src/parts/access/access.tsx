import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { type Account, type Key, readAccount, UnexpectedAnswer, type User } from '../../../../src/client/index.ts';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { countText, inert, momentText } from '../../view/format.ts';
import type { Zone } from '../../view/zone.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Confirm } from '../forms/confirm.tsx';
import { AddKey, AddUser } from './adding.tsx';

const accountList = 'account';

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
  const { view } = usePage();
  const { name, createdAt, requestsPerMinute, keys, users } = account;
  return (
    <>
      <section className="sheet" aria-labelledby="account">
        <h3 id="account">Account {inert(name)}</h3>
        <p className="quiet">
          Made {momentText(createdAt, view.zone).slice(0, 19)};{' '}
          {requestsPerMinute === undefined
            ? 'as many requests a minute to the log as the server is set to'
            : `${countText(requestsPerMinute)} requests a minute to the log`}
          . Further accounts are made where the server runs: npx sentlog accounts create NAME.
        </p>
      </section>
      <section className="sheet" aria-labelledby="keys">
        <h3 id="keys">Keys</h3>
        <Listed label="Keys" heads={keyHeads}>
          {keys.map(key => (
            <KeyRow key={key.id} of={key} />
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
              <UserRow key={user.name} of={user} />
            ))}
          </Listed>
        )}
        <AddUser account={name} />
      </section>
    </>
  );
}

const usedHeads = ['May', 'Made', 'Uses', 'Last used', ''] as const;
const keyHeads = ['Key', 'State', 'Bound to', ...usedHeads];
const userHeads = ['User', ...usedHeads];

function Listed(props: { readonly label: string; readonly heads: readonly string[]; readonly children: ReactNode }) {
  return (
    <div className="listed">
      <table aria-label={props.label}>
        <thead>
          <tr>
            {props.heads.map(head => (
              <th key={head} scope="col">
                {head === '' ? <span className="unseen">What can be done</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

function stateOf({ revokedAt, expiresAt }: Key, zone: Zone): string {
  if (revokedAt !== undefined) return `revoked ${momentText(revokedAt, zone).slice(0, 16)}`;
  if (expiresAt === undefined) return 'active';
  const until = momentText(expiresAt, zone).slice(0, 16);
  return new Date(expiresAt).getTime() <= nowMs() ? `expired ${until}` : `active until ${until}`;
}

function KeyRow({ of: key }: { readonly of: Key }) {
  const { view } = usePage();
  const act = useAct(accountList);
  const { id, applicationId, entityId, revokedAt } = key;
  const bound = [applicationId && `application ${applicationId}`, entityId && `entity ${entityId}`].filter(Boolean);
  return (
    <tr className={revokedAt === undefined ? undefined : 'over'}>
      <th scope="row">sentlog_{inert(id)}_…</th>
      <td data-head="State">{stateOf(key, view.zone)}</td>
      <td data-head="Bound to">{bound.length === 0 ? '–' : inert(bound.join(', '))}</td>
      <UsedCells of={key} />
      <td>
        {revokedAt === undefined && (
          <Confirm
            label="Revoke"
            question="Whoever uses it is refused within a second."
            onConfirm={() => act.mutate({ method: 'DELETE', path: `/manage/1/keys/${encodeURIComponent(id)}` })}
          />
        )}
        {act.error !== null && <span role="alert">{refusalOf(act.error)}</span>}
      </td>
    </tr>
  );
}

function UserRow({ of: user }: { readonly of: User }) {
  const act = useAct(accountList);
  return (
    <tr>
      <th scope="row">{inert(user.name)}</th>
      <UsedCells of={user} />
      <td>
        <Confirm
          label="Remove"
          question="The user is signed out."
          onConfirm={() => act.mutate({ method: 'DELETE', path: `/manage/1/users/${encodeURIComponent(user.name)}` })}
        />
        {act.error !== null && <span role="alert">{refusalOf(act.error)}</span>}
      </td>
    </tr>
  );
}

function UsedCells({ of }: { readonly of: Key | User }) {
  const { view } = usePage();
  const { scopes, createdAt, uses, lastUsedAt } = of;
  return (
    <>
      <td data-head="May">{scopes.includes('messenger:manage') ? 'everything' : scopes.map(inertScope).join(', ')}</td>
      <td data-head="Made">{momentText(createdAt, view.zone).slice(0, 16)}</td>
      <td className="number" data-head="Uses">
        {countText(uses)}
      </td>
      <td data-head="Last used">
        {lastUsedAt === undefined ? 'never' : momentText(lastUsedAt, view.zone).slice(0, 19)}
      </td>
    </>
  );
}

const inertScope = (scope: string) => inert(scope.replace(/^messenger:/, ''), 40);
