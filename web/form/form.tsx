import { type FormEvent, useRef, useState } from 'react'
import { Notice } from '../notice.tsx'
import { useTask } from '../use-task.ts'
import { FormField } from './form-field.tsx'
import { type FormSchema, readFields, sentenceFor, valueOf } from './form-fields.ts'
import { Given } from './given.ts'

interface FormProps {
  readonly label: string
  readonly schema: FormSchema
  /** What stands in the fields before the person changes it. */
  readonly initial?: Readonly<Record<string, unknown>>
  readonly submit: string
  /** @throws why the values are refused */
  readonly onSubmit: (given: Given) => Promise<unknown>
}

const own = { password: 'password', textarea: 'textarea' } as const

/** A form of the page. The backend checks the values; only what is absent or unreadable is noticed here. */
export function Form({ label, schema, initial = {}, submit, onSubmit }: FormProps) {
  const { busy, problem, run } = useTask()
  const [wrong, setWrong] = useState<ReadonlyMap<string, string>>(new Map())
  const form = useRef<HTMLFormElement>(null)
  const fields = readFields(schema, own).map((field) => ({
    ...field,
    initial: initial[field.name] ?? field.initial,
  }))

  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const filled = new FormData(event.currentTarget)
    const values = fields.map((field) => {
      return [field.name, valueOf(field, filled.getAll(field.name).map(String))] as const
    })
    const unread = [...event.currentTarget.querySelectorAll('input')]
      .filter(({ validity }) => validity.badInput)
      .map(({ name }) => name)
    const found = fields.flatMap((field, index): [string, string][] => {
      if (unread.includes(field.name)) return [[field.name, sentenceFor(field, 'type')]]
      const isAbsent = field.isRequired && values[index]?.[1] === null
      return isAbsent ? [[field.name, sentenceFor(field, 'required')]] : []
    })
    setWrong(new Map(found))
    if (found[0]) {
      form.current?.querySelector<HTMLElement>(`[name="${found[0][0]}"]`)?.focus()
      return
    }
    run(async () => void (await onSubmit(new Given(new Map(values)))))
  }

  return (
    <form ref={form} noValidate aria-label={label} onSubmit={send}>
      {fields.map((field) => (
        <FormField
          key={field.name}
          field={field}
          name={field.name}
          problem={wrong.get(field.name) ?? null}
        />
      ))}
      {problem !== null && <Notice text={problem} />}
      <div className="row end">
        <button className="primary" disabled={busy}>
          {submit}
        </button>
      </div>
    </form>
  )
}
