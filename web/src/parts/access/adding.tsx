import { type FormEvent, useState } from 'react';
import { isRecord } from '../../../../src/client/errors.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Field, given, givenNumber } from '../forms/field.tsx';
import { CopyButton } from '../message/copies.tsx';
import { accountList } from './lists.ts';

const scopes = [
  ['messenger:manage', 'everything'],
  ['messenger:logs:read', 'read logs'],
  ['messenger:logs:write', 'record messages and reports'],
  ['messenger:message:send', 'send messages'],
] as const;

function Scopes() {
  return (
    <fieldset className="scopes">
      <legend>May</legend>
      {scopes.map(([scope, words]) => (
        <label key={scope}>
          <input type="checkbox" name="scope" value={scope} defaultChecked={scope === 'messenger:logs:read'} />
          {words}
        </label>
      ))}
    </fieldset>
  );
}

/** What was made, once: nobody can have it shown again. */
export function Made(props: { readonly what: string; readonly secret: string }) {
  return (
    <p className="made" role="status">
      <span>{props.what}, shown only now:</span> <code>{props.secret}</code>
      <CopyButton label="Copy" text={props.secret} />
    </p>
  );
}

export function useMaking(path: `/${string}`, secretField: string, list = accountList) {
  const [open, setOpen] = useState(false);
  const act = useAct(list);
  const secret = isRecord(act.data) ? act.data[secretField] : undefined;
  const name = isRecord(act.data) ? act.data.name : undefined;
  return {
    open,
    setOpen: (next: boolean) => {
      setOpen(next);
      if (next) act.reset();
    },
    make: (body: object) => act.mutate({ method: 'POST', path, body }, { onSuccess: () => setOpen(false) }),
    isPending: act.isPending,
    refusal: act.error === null ? '' : refusalOf(act.error),
    secret: typeof secret === 'string' ? secret : undefined,
    name: typeof name === 'string' ? name : undefined,
  };
}

const chosenScopes = (form: FormData) => form.getAll('scope').map(String);

export function AddKey() {
  const making = useMaking('/manage/1/keys', 'key');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    making.make({
      scopes: chosenScopes(form),
      applicationId: given(form, 'applicationId'),
      entityId: given(form, 'entityId'),
      expiresInDays: givenNumber(form, 'expiresInDays'),
    });
  };
  return (
    <>
      {making.secret !== undefined && <Made what="The new key" secret={making.secret} />}
      <details className="adding" open={making.open} onToggle={event => making.setOpen(event.currentTarget.open)}>
        <summary>Make a key</summary>
        {making.open && (
          <form onSubmit={submit}>
            <Scopes />
            <Field label="Bound to the application" name="applicationId" hint="Sees and writes no other’s messages." />
            <Field label="Bound to the entity" name="entityId" />
            <Field
              label="Good for so many days"
              name="expiresInDays"
              type="number"
              min={1}
              max={3650}
              hint="For ever when empty."
            />
            <p role="alert">{making.refusal}</p>
            <button className="primary" type="submit" disabled={making.isPending}>
              Make the key
            </button>
          </form>
        )}
      </details>
    </>
  );
}

export function AddUser({ account }: { readonly account: string }) {
  const making = useMaking('/manage/1/users', 'password');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    making.make({
      name: given(form, 'name'),
      // A password may begin and end with blanks.
      password: String(form.get('password') ?? '') || undefined,
      scopes: chosenScopes(form),
    });
  };
  return (
    <>
      {making.secret !== undefined && <Made what={`The password of ${making.name ?? ''}`} secret={making.secret} />}
      <details className="adding" open={making.open} onToggle={event => making.setOpen(event.currentTarget.open)}>
        <summary>Make a user</summary>
        {making.open && (
          <form onSubmit={submit}>
            <Scopes />
            <Field label="Name" name="name" required pattern="[^@:]{1,100}" hint={`Signs in as NAME@${account}.`} />
            <Field
              label="Password"
              name="password"
              type="password"
              minLength={8}
              autoComplete="new-password"
              hint="At least 8 characters. One is made up when it is left empty."
            />
            <p role="alert">{making.refusal}</p>
            <button className="primary" type="submit" disabled={making.isPending}>
              Make the user
            </button>
          </form>
        )}
      </details>
    </>
  );
}
