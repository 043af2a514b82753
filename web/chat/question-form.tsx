import type { ElicitationAnswer, ElicitationQuestion } from 'colloquy/client'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { FormField } from '../form/form-field.tsx'
import { readFields, sentenceFor, valueOf } from '../form/form-fields.ts'
import type { Refusal } from './use-answers.ts'

interface QuestionFormProps {
  readonly question: ElicitationQuestion & { readonly mode: 'form' }
  readonly isDisabled: boolean
  readonly refusal: Refusal | null
  readonly onDecide: (answer: ElicitationAnswer) => void
}

/** A question with fields. The backend checks what is filled in; only what is absent is noticed here. */
export function QuestionForm({ question, isDisabled, refusal, onDecide }: QuestionFormProps) {
  const { message, schema } = question
  const fields = readFields(schema)
  const form = useRef<HTMLFormElement>(null)
  const [wrong, setWrong] = useState<ReadonlyMap<string, string>>(new Map())
  const problemOf = (name: string) => {
    const field = fields.find((one) => one.name === name)
    if (!field) return null
    const reason = wrong.get(name) ?? (refusal?.field === name ? refusal.reason : null)
    return reason === null ? null : sentenceFor(field, reason)
  }
  useEffect(() => {
    form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus()
  }, [wrong, refusal])

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const filled = new FormData(event.currentTarget)
    const values = fields.map((field, index) => {
      return [field.name, valueOf(field, filled.getAll(`field-${index}`).map(String))] as const
    })
    const inputs = [...event.currentTarget.querySelectorAll('input')]
    // A browser gives no value for a number or a date that is none.
    const unread = inputs.filter(({ validity }) => validity.badInput).map(({ name }) => name)
    const found = fields.flatMap(({ name, isRequired }, index): [string, string][] => {
      if (unread.includes(`field-${index}`)) return [[name, 'type']]
      return isRequired && values[index]?.[1] === null ? [[name, 'required']] : []
    })
    setWrong(new Map(found))
    if (found.length > 0) return
    const given = values.flatMap(([name, value]) =>
      value === null ? [] : [[name, value] as const],
    )
    onDecide({ action: 'accept', content: Object.fromEntries(given) })
  }

  return (
    <form
      ref={form}
      className="question"
      noValidate
      aria-label="Question of a tool"
      onSubmit={submit}
    >
      <p className="asks">{message}</p>
      <fieldset disabled={isDisabled}>
        {fields.map((field, index) => (
          <FormField
            key={field.name}
            field={field}
            name={`field-${index}`}
            problem={problemOf(field.name)}
          />
        ))}
        {refusal && !fields.some(({ name }) => name === refusal.field) && (
          <p className="failure">
            The answer does not fit the question. Correct it and send it again.
          </p>
        )}
        <div className="row">
          <button className="primary">Answer</button>
          <button type="button" onClick={() => onDecide({ action: 'decline' })}>
            Decline
          </button>
          <button type="button" onClick={() => onDecide({ action: 'cancel' })}>
            Cancel
          </button>
        </div>
      </fieldset>
    </form>
  )
}
