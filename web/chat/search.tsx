import { type FormEvent, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { Notice } from '../notice.tsx'
import { time } from '../pieces/write.ts'
import { useTask } from '../use-task.ts'
import { marked } from './marked.ts'
import { addressOf } from './use-route.ts'

interface Found {
  readonly id: string | null
  readonly session_id: string | null
  readonly said_at: string | null
  readonly snippet: string | null
  readonly highlights: unknown
  readonly cursor: string | null
}

/** Rows of one page of results. */
const page = 20

/** Finds words in the conversations that the person may read. */
export function Search() {
  const { supabase } = useBackend()
  const { busy, problem, run } = useTask()
  const [asked, setAsked] = useState('')
  const [found, setFound] = useState<readonly Found[] | null>(null)

  const read = async (query: string, before: readonly Found[]) => {
    const after = before.at(-1)?.cursor
    const rows = await supabase.rpc('search', {
      ...{ query, kinds: ['message'], limit: page },
      ...(after && { after }),
    })
    setFound([...before, ...dataOf(rows)])
  }
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const query = (new FormData(event.currentTarget).get('query') as string).trim()
    setAsked(query)
    if (query === '') setFound(null)
    else run(() => read(query, []))
  }
  return (
    <search className="search">
      <form aria-label="Search" onSubmit={submit}>
        <input
          type="search"
          name="query"
          aria-label="Search the conversations"
          placeholder="Search"
          autoComplete="off"
          onChange={({ target }) => target.value === '' && setFound(null)}
        />
      </form>
      {problem !== null && <Notice text={problem} />}
      {found && (
        <div className="sessions" role="group" aria-label="Results" tabIndex={0}>
          <p className="hint" role="status">
            {found.length === 0 ? 'Nothing has these words.' : `${found.length} messages`}
          </p>
          <ul>
            {found.map((one) => (
              <li key={one.id}>
                <a href={addressOf(one.session_id ?? '')}>
                  <span className="snippet" dir="auto">
                    {marked(one.snippet ?? '', one.highlights).map(([text, isMarked], index) =>
                      isMarked ? <mark key={index}>{text}</mark> : text,
                    )}
                    <span className="tag"> {time(one.said_at)}</span>
                  </span>
                </a>
              </li>
            ))}
          </ul>
          {found.length > 0 && found.length % page === 0 && (
            <button
              type="button"
              className="quiet"
              disabled={busy}
              onClick={() => run(() => read(asked, found))}
            >
              More results
            </button>
          )}
        </div>
      )}
    </search>
  )
}
