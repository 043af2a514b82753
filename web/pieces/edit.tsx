import { Form } from '../form/form.tsx'
import type { FormSchema } from '../form/form-fields.ts'
import type { Given } from '../form/given.ts'
import { Dialog } from './dialog.tsx'

interface EditProps {
  /** Of the button. */
  readonly label: string
  /** What is made or changed; the label without one. */
  readonly title?: string
  readonly schema: FormSchema
  readonly initial?: Readonly<Record<string, unknown>>
  readonly submit?: string
  readonly isPrimary?: boolean
  /** @throws why the values are refused */
  readonly onSubmit: (given: Given) => Promise<unknown>
}

/** A button that opens a form. The form closes when its values are stored. */
export function Edit(props: EditProps) {
  const { label, title = label, schema, initial = {}, submit = 'Save', isPrimary = false } = props
  return (
    <Dialog label={label} title={title} isPrimary={isPrimary}>
      {(close) => (
        <Form
          label={title}
          schema={schema}
          initial={initial}
          submit={submit}
          onSubmit={async (given) => {
            await props.onSubmit(given)
            close()
          }}
        />
      )}
    </Dialog>
  )
}
