import type { ElicitationAnswer, ElicitationQuestion } from 'colloquy/client'
import { useState } from 'react'
import { placeOf, webAddress } from '../markdown/addresses.ts'
import { Link } from '../markdown/link.tsx'

interface QuestionPageProps {
  readonly question: ElicitationQuestion & { readonly mode: 'url' }
  readonly isDisabled: boolean
  readonly onDecide: (answer: ElicitationAnswer) => void
}

/** A question whose answer the person gives at a page of the server's. Only a click opens it. */
export function QuestionPage({ question, isDisabled, onDecide }: QuestionPageProps) {
  const { message, url } = question
  const [isOpened, setIsOpened] = useState(false)
  const page = webAddress(url)
  return (
    <div className="question" role="group" aria-label="Question of a tool">
      <p className="asks">{message}</p>
      {page && (
        <>
          <p className="hint">
            The page is at <strong>{placeOf(page)}</strong>. Open it only if you trust this host.
          </p>
          <p onClick={() => setIsOpened(true)} onAuxClick={() => setIsOpened(true)}>
            <Link href={url}>Open the page</Link>
          </p>
        </>
      )}
      <fieldset disabled={isDisabled}>
        <div className="row">
          {isOpened && (
            <button
              type="button"
              className="primary"
              onClick={() => onDecide({ action: 'accept' })}
            >
              Done
            </button>
          )}
          <button type="button" onClick={() => onDecide({ action: 'decline' })}>
            Decline
          </button>
          <button type="button" onClick={() => onDecide({ action: 'cancel' })}>
            Cancel
          </button>
        </div>
      </fieldset>
    </div>
  )
}
