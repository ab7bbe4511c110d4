import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import { type Api, apiWithKey, apiWithPassword } from '../../api/api.ts';
import { refusalToSignIn, type Way } from '../../api/trouble.ts';

export function SignIn(props: { readonly notice: string | undefined; readonly onSignedIn: (api: Api) => void }) {
  const [way, setWay] = useState<Way>('key');
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    document.title = 'Sign in · sentlog';
    return () => {
      document.title = 'sentlog';
    };
  }, []);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>(`[name="${way === 'key' ? 'key' : 'username'}"]`)?.focus();
  }, [way]);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? '').trim();
    setBusy(true);
    setError(undefined);
    try {
      const api =
        way === 'key'
          ? await apiWithKey(text('key'))
          : await apiWithPassword(text('username'), String(form.get('password') ?? ''));
      props.onSignedIn(api);
    } catch (failure) {
      setError(refusalToSignIn(failure, way));
      setBusy(false);
    }
  };
  const message = error ?? props.notice;
  return (
    <main className="sign-in">
      <form ref={form} onSubmit={submit}>
        <h1>sentlog</h1>
        <p>Sign in to see what happened to your messages.</p>
        <WayChoice way={way} onChange={setWay} />
        {way === 'key' ? <KeyField /> : <PasswordFields />}
        <p className="sign-in-message" role="alert">
          {message}
        </p>
        <button className="primary" type="submit" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
        <p className="quiet">
          {way === 'key'
            ? 'No key? Make one where the server runs: npx sentlog keys create --account default.'
            : 'No user? Make one where the server runs: npx sentlog users create NAME --account default.'}
        </p>
        <p className="quiet">You stay signed in for 12 hours, or until you sign out.</p>
      </form>
    </main>
  );
}

function WayChoice({ way, onChange }: { readonly way: Way; readonly onChange: (way: Way) => void }) {
  return (
    <fieldset className="choice">
      <legend className="unseen">Sign in with</legend>
      {(['key', 'password'] as const).map(one => (
        <label key={one}>
          <input type="radio" name="way" checked={way === one} onChange={() => onChange(one)} />
          <span>{one === 'key' ? 'API key' : 'User name and password'}</span>
        </label>
      ))}
    </fieldset>
  );
}

function KeyField() {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>API key</label>
      <input id={id} name="key" type="password" autoComplete="off" spellCheck={false} required />
    </>
  );
}

function PasswordFields() {
  const id = useId();
  return (
    <>
      <label htmlFor={`${id}u`}>User name</label>
      <input id={`${id}u`} name="username" autoComplete="username" spellCheck={false} required />
      <label htmlFor={`${id}p`}>Password</label>
      <input id={`${id}p`} name="password" type="password" autoComplete="current-password" required />
    </>
  );
}
