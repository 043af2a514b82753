import type { Elicitation } from 'colloquy/client'
import { Icon } from '../icon.tsx'
import { Notice } from '../notice.tsx'
import type { LatestActions } from './actions.ts'
import { QuestionForm } from './question-form.tsx'
import { QuestionPage } from './question-page.tsx'
import { type AskedState, useAnswers } from './use-answers.ts'

interface ElicitedProps {
  readonly asked: Elicitation
  /** The conversation waits here. */
  readonly isOpen: boolean
  /** The conversation is the person's, who alone may answer. */
  readonly isWritable: boolean
  readonly actions: LatestActions
}

const sentences: Record<Exclude<AskedState, 'waiting'> | 'foreign', string> = {
  answered: 'The question is answered.',
  expired: 'The time to answer is over. Ask again to get the question again.',
  ended: 'The question waits no more: the conversation went on.',
  foreign: 'The owner of the conversation can answer.',
}

/** What a tool asks the person in the middle of a call. The words are the server's, and so are the pages. */
export function Elicited({ asked, isOpen, isWritable, actions }: ElicitedProps) {
  const { state, answers, refusal, problem, isSent, decide } = useAnswers(asked, isOpen, actions)
  const shown = state !== 'waiting' ? state : !isOpen ? 'ended' : isWritable ? 'waiting' : 'foreign'
  return (
    <section className="fold asked" data-state={shown} aria-label="Questions of a tool">
      <p className="label">
        <Icon name="tool" /> <bdi>{asked.tool}</bdi> of <bdi>{asked.server}</bdi> asks you
      </p>
      {shown === 'waiting' ? (
        asked.questions.map((question) => {
          const isDecided = Object.hasOwn(answers, question.key)
          const common = {
            isDisabled: isSent || isDecided,
            onDecide: (answer: Parameters<typeof decide>[1]) => decide(question.key, answer),
          }
          return (
            <div key={question.key}>
              {question.mode === 'form' ? (
                <QuestionForm
                  {...common}
                  question={question}
                  refusal={refusal?.key === question.key ? refusal : null}
                />
              ) : (
                <QuestionPage {...common} question={question} />
              )}
              {isDecided && !isSent && (
                <p className="hint">Sent with the answer to what else is asked.</p>
              )}
            </div>
          )
        })
      ) : (
        <p role="status">{sentences[shown]}</p>
      )}
      {problem !== null && shown === 'waiting' && <Notice text={problem} />}
    </section>
  )
}
