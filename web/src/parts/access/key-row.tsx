import { type FormEvent, useState } from 'react';
import type { Key } from '../../../../src/client/index.ts';
import { nowMs } from '../../api/server-clock.ts';
import { usePage } from '../../page-context.ts';
import { inert, momentText } from '../../view/format.ts';
import type { Zone } from '../../view/zone.ts';
import { refusalOf, useAct } from '../forms/act.ts';
import { Confirm } from '../forms/confirm.tsx';
import { Field, given } from '../forms/field.tsx';
import { UsedCells, usedHeads, Yours } from './listed.tsx';
import { accountList } from './lists.ts';

export const keyHeads = ['Key', 'State', 'Bound to', ...usedHeads];

export function isLive({ revokedAt, expiresAt }: Key): boolean {
  return revokedAt === undefined && (expiresAt === undefined || new Date(expiresAt).getTime() > nowMs());
}

function stateOf({ revokedAt, expiresAt }: Key, zone: Zone): string {
  if (revokedAt !== undefined) return `revoked ${momentText(revokedAt, zone).slice(0, 16)}`;
  if (expiresAt === undefined) return 'active';
  const until = momentText(expiresAt, zone).slice(0, 16);
  return new Date(expiresAt).getTime() <= nowMs() ? `expired ${until}` : `active until ${until}`;
}

/** `warning` is what whoever is signed in with the key has to know before it lets them in no more. */
export function KeyRow({ of: key, warning }: { readonly of: Key; readonly warning: string }) {
  const { view } = usePage();
  const act = useAct(accountList);
  const [isBinding, setIsBinding] = useState(false);
  const { id, applicationId, entityId } = key;
  const bound = [applicationId && `application ${applicationId}`, entityId && `entity ${entityId}`].filter(Boolean);
  const path = `/manage/1/keys/${encodeURIComponent(id)}` as const;
  return (
    <>
      <tr className={key.revokedAt === undefined ? undefined : 'over'}>
        <th scope="row">
          sentlog_{inert(id)}_…
          <Yours of={key} />
        </th>
        <td data-head="State">{stateOf(key, view.zone)}</td>
        <td data-head="Bound to">{bound.length === 0 ? '–' : inert(bound.join(', '))}</td>
        <UsedCells of={key} />
        <td>
          {key.revokedAt === undefined && (
            <span className="inline">
              {isLive(key) && (
                <button type="button" aria-expanded={isBinding} onClick={() => setIsBinding(!isBinding)}>
                  Bind …
                </button>
              )}
              <Confirm
                label="Revoke"
                question={key.isYours === true ? warning : 'Whoever uses it is refused within a second.'}
                onConfirm={() => act.mutate({ method: 'DELETE', path })}
              />
            </span>
          )}
          {act.error !== null && <span role="alert">{refusalOf(act.error)}</span>}
        </td>
      </tr>
      {isBinding && (
        <tr className="adding">
          <td colSpan={keyHeads.length}>
            <Binding of={key} warning={warning} onClose={() => setIsBinding(false)} />
          </td>
        </tr>
      )}
    </>
  );
}

function Binding(props: { readonly of: Key; readonly warning: string; readonly onClose: () => void }) {
  const { of: key, warning, onClose } = props;
  const { id, applicationId, entityId } = key;
  const act = useAct(accountList);
  const bind = (body: { readonly applicationId?: string | undefined; readonly entityId?: string | undefined }) =>
    act.mutate(
      { method: 'POST', path: `/manage/1/keys/${encodeURIComponent(id)}/binding`, body },
      { onSuccess: onClose },
    );
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    bind({ applicationId: given(form, 'applicationId'), entityId: given(form, 'entityId') });
  };
  return (
    <form aria-label={`Bind the key ${inert(id)}`} onSubmit={submit}>
      <Field
        label="Application that the key is bound to"
        name="applicationId"
        defaultValue={applicationId}
        autoFocus
        hint="From now on it sees and writes no other’s messages."
      />
      <Field label="Entity that the key is bound to" name="entityId" defaultValue={entityId} />
      <p role="alert">
        {act.error !== null
          ? refusalOf(act.error)
          : key.isYours === true
            ? `${warning} A key that is bound manages nothing.`
            : undefined}
      </p>
      <p className="actions">
        <button className="primary" type="submit" disabled={act.isPending}>
          Bind the key
        </button>
        {(applicationId !== undefined || entityId !== undefined) && (
          <button type="button" disabled={act.isPending} onClick={() => bind({})}>
            Unbind it
          </button>
        )}
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </p>
    </form>
  );
}
