import { type InputHTMLAttributes, type ReactNode, useId } from 'react';

/**
 * A labelled field of a form; what it is for stands below it. A browser bounds texts by their UTF-16 units, and cuts off what is
 * longer: the server counts code points, and says what it does not take.
 */
type FieldProps = { readonly label: string; readonly hint?: ReactNode } & Omit<
  InputHTMLAttributes<HTMLInputElement>,
  'maxLength'
>;

export function Field(props: FieldProps) {
  const { label, hint, ...input } = props;
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        spellCheck={false}
        autoComplete="off"
        {...(hint !== undefined && { 'aria-describedby': `${id}hint` })}
        {...input}
      />
      {hint !== undefined && (
        <small id={`${id}hint`} className="quiet">
          {hint}
        </small>
      )}
    </div>
  );
}

/** The text of a field, without blanks around it; `undefined` when it is empty. */
export function given(form: FormData, name: string): string | undefined {
  const value = form.get(name);
  const text = typeof value === 'string' ? value.trim() : '';
  return text === '' ? undefined : text;
}

/** The number of a field; `undefined` when it is empty. */
export function givenNumber(form: FormData, name: string): number | undefined {
  const text = given(form, name);
  return text === undefined ? undefined : Number(text);
}
