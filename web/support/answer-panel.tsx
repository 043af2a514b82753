import { type FormEvent, useRef, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import type { FormSchema } from '../form/form-fields.ts'
import { Notice } from '../notice.tsx'
import { Act } from '../pieces/act.tsx'
import { Edit } from '../pieces/edit.tsx'
import { useTask } from '../use-task.ts'

interface AnswerPanelProps {
  /** The session's id. */
  readonly id: string
  /** The id of the person. */
  readonly user: string
  /** The id of the person who has the session; null: the model answers. */
  readonly handledBy: string | null
  readonly onChanged: () => void
}

const note: FormSchema = {
  properties: {
    note: {
      type: 'string',
      title: 'A note for the model',
      description: 'The model may repeat it to the customer.',
      format: 'textarea',
    },
  },
  required: [],
}

/** Takes a conversation over, answers in place of the model, and hands it back. */
export function AnswerPanel({ id, user, handledBy, onChanged }: AnswerPanelProps) {
  const { supabase } = useBackend()
  const act = async (acting: PromiseLike<{ data: unknown; error: Error | null }>) => {
    dataOf(await acting)
    onChanged()
  }
  if (handledBy === null) {
    return (
      <div className="panel">
        <p className="hint">The model answers here.</p>
        <Act
          label="Take over"
          isPrimary
          onAct={() => act(supabase.rpc('take_over_session', { session_id: id }))}
        />
      </div>
    )
  }
  if (handledBy !== user) {
    return (
      <div className="panel">
        <p className="hint">Another person answers here.</p>
        <Act
          label="Take it from them"
          onAct={() => act(supabase.rpc('assign_session', { session_id: id, user_id: user }))}
        />
      </div>
    )
  }
  return (
    <div className="panel">
      <AnswerForm id={id} onChanged={onChanged} />
      <Edit
        label="Hand back"
        title="Hand back to the model"
        schema={note}
        submit="Hand back"
        onSubmit={(given) => {
          const said = given.text('note')
          const back = { session_id: id, ...(said !== null && { note: said }) }
          return act(supabase.rpc('hand_back_session', back))
        }}
      />
    </div>
  )
}

function AnswerForm({ id, onChanged }: Pick<AnswerPanelProps, 'id' | 'onChanged'>) {
  const { supabase } = useBackend()
  const { busy, problem, run } = useTask()
  const [text, setText] = useState('')
  // The same answer sent again, after a failure of the network, is stored once.
  const messageId = useRef<string>(crypto.randomUUID())

  function send(event?: FormEvent) {
    event?.preventDefault()
    if (busy || text.trim() === '') return
    run(async () => {
      const answer = { session_id: id, content: text, id: messageId.current }
      dataOf(await supabase.rpc('answer_session', answer))
      messageId.current = crypto.randomUUID()
      setText('')
      onChanged()
    })
  }
  return (
    <form aria-label="Answer" onSubmit={send}>
      {problem !== null && <Notice text={problem} />}
      <textarea
        name="answer"
        aria-label="Your answer"
        placeholder="Answer the customer"
        rows={2}
        value={text}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          send()
        }}
      />
      <div className="row end">
        <button className="primary" disabled={busy || text.trim() === ''}>
          Answer
        </button>
      </div>
    </form>
  )
}
