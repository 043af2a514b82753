import { type ReactNode, useId } from 'react'
import type { Field } from './form-fields.ts'

interface FormFieldProps {
  readonly field: Field
  /** The name of its values in the form: no text of the server. */
  readonly name: string
  /** Why its value was refused. */
  readonly problem: string | null
}

/** One field, with its label and what is said about it. The words are the server's: only text. */
export function FormField({ field, name, problem }: FormFieldProps) {
  const { kind, label, description, isRequired, options, initial } = field
  const id = useId()
  const about = {
    'aria-describedby': `${id}-about`,
    'aria-invalid': problem !== null,
  }
  const words = (
    <>
      <bdi>{label}</bdi>
      {isRequired && kind !== 'boolean' && <Mark />}
    </>
  )
  const notes = (
    <span id={`${id}-about`} className="notes">
      {description !== null && <span className="hint">{description}</span>}
      {problem !== null && <span className="failure">{problem}</span>}
    </span>
  )
  if (kind === 'choices') {
    const before = Array.isArray(initial) ? (initial as unknown[]) : []
    return (
      <fieldset className="choices" aria-describedby={`${id}-about`}>
        <legend>{words}</legend>
        {options.map(({ value, title }, index) => (
          <Check
            key={index}
            name={name}
            value={value}
            isChecked={before.includes(value)}
            aria-invalid={problem !== null}
          >
            {title}
          </Check>
        ))}
        {notes}
      </fieldset>
    )
  }
  if (kind === 'boolean') {
    return (
      <div className="field">
        <Check name={name} value="true" isChecked={initial === true} {...about}>
          {words}
        </Check>
        {notes}
      </div>
    )
  }
  const common = {
    id,
    name,
    required: isRequired,
    defaultValue: typeof initial === 'string' || typeof initial === 'number' ? initial : '',
    ...about,
  }
  return (
    <div className="field">
      <label htmlFor={id}>
        <span>{words}</span>
      </label>
      {kind === 'choice' ? (
        <select {...common}>
          <option value="">Choose …</option>
          {options.map(({ value, title }, index) => (
            <option key={index} value={value}>
              {title}
            </option>
          ))}
        </select>
      ) : field.input === 'textarea' ? (
        <textarea {...common} rows={3} />
      ) : (
        <input {...common} type={field.input} autoComplete="off" step="any" />
      )}
      {notes}
    </div>
  )
}

function Mark() {
  return <span className="hint"> (required)</span>
}

interface CheckProps {
  readonly name: string
  readonly value: string
  readonly isChecked: boolean
  readonly 'aria-invalid': boolean
  readonly 'aria-describedby'?: string
  readonly children: ReactNode
}

function Check({ isChecked, children, ...others }: CheckProps) {
  return (
    <label className="check">
      <input type="checkbox" defaultChecked={isChecked} {...others} />
      <span>{children}</span>
    </label>
  )
}
