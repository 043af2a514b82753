import type { ColloquyError, Elicitation, ElicitationAnswer } from 'colloquy/client'
import { useCallback, useEffect, useRef, useState } from 'react'
import { dataOf, useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import type { Answers, LatestActions } from './actions.ts'

/** Why one answer is refused. */
export interface Refusal {
  readonly key: string
  /** Of the form; absent when the answer as a whole is refused. */
  readonly field?: string
  readonly reason: string
}

/** `waiting` is what a form is shown for. */
export type AskedState = 'waiting' | 'answered' | 'expired' | 'ended'

const endings: Readonly<Record<string, AskedState>> = {
  tool_approval_expired: 'expired',
  tool_call_decided: 'ended',
  tool_call_not_found: 'ended',
}

/** The answers to the questions of a call, which are sent together, and what became of the call. */
export function useAnswers(asked: Elicitation, isOpen: boolean, actions: LatestActions) {
  const [answers, setAnswers] = useState<Answers>({})
  // Two questions may be decided before the page is drawn again.
  const latest = useRef(answers)
  const keep = (all: Answers) => {
    latest.current = all
    setAnswers(all)
  }
  const [refusal, setRefusal] = useState<Refusal | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [isSent, setIsSent] = useState(false)
  const [state, setState] = useAskedState(asked, isOpen)

  const send = async (all: Answers) => {
    setIsSent(true)
    try {
      await actions.current.onAnswer(asked, all)
      setState('answered')
    } catch (error) {
      const { code, details, message } = error as Partial<ColloquyError>
      const ending = code === undefined ? undefined : endings[code]
      if (ending) return setState(ending)
      const refused =
        details?.path === undefined ? null : placeIn(asked, details.path, message ?? '')
      keep(refused ? without(all, refused.key) : {})
      setRefusal(refused)
      setProblem(refused ? null : explain(error))
    } finally {
      setIsSent(false)
    }
  }
  const decide = (key: string, answer: ElicitationAnswer) => {
    const all = { ...latest.current, [key]: answer }
    keep(all)
    setRefusal(null)
    setProblem(null)
    if (asked.questions.every((one) => Object.hasOwn(all, one.key))) void send(all)
  }
  return { state, answers, refusal, problem, isSent, decide }
}

/** Asks the backend what became of the questions: another device answers too, and its clock counts. */
function useAskedState({ execution_id, tool_call_id, round }: Elicitation, isOpen: boolean) {
  const { supabase } = useBackend()
  const [state, setState] = useState<AskedState>('waiting')
  const read = useCallback(async () => {
    const row = dataOf(
      await supabase
        .schema('conversation')
        .from('tool_elicitations')
        .select('round, actions, expires_at, tool_calls(status)')
        .eq('execution_id', execution_id)
        .eq('tool_call_id', tool_call_id)
        .single(),
    )
    const { status } = row.tool_calls
    if (status === 'expired') setState('expired')
    else if (row.round !== round || row.actions !== null) setState('answered')
    else if (status !== 'pending') setState('ended')
    return Date.parse(row.expires_at)
  }, [supabase, execution_id, tool_call_id, round])
  useEffect(() => {
    if (!isOpen || state !== 'waiting') return
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = () => {
      read().then(
        // The database marks what has expired once a minute.
        (end) => (timer = setTimeout(look, Math.max(0, end - Date.now()) + 60_000)),
        (error: unknown) => console.warn(error),
      )
    }
    look()
    return () => clearTimeout(timer)
  }, [read, isOpen, state])
  return [state, setState] as const
}

/** The question and the field that a path of a refusal names: `answers.<key>.content.<field>`. */
function placeIn({ questions }: Elicitation, path: string, message: string): Refusal | null {
  const begins = (start: string) => path === start || path.startsWith(`${start}.`)
  const longest = (names: readonly string[]) => [...names].sort((a, b) => b.length - a.length)[0]
  const key = longest(questions.map((one) => one.key).filter((one) => begins(`answers.${one}`)))
  if (key === undefined) return null
  const question = questions.find((one) => one.key === key)
  const names = question?.mode === 'form' ? Object.keys(question.schema.properties) : []
  const field = longest(names.filter((one) => begins(`answers.${key}.content.${one}`)))
  return { key, reason: message, ...(field !== undefined && { field }) }
}

function without(answers: Answers, key: string): Answers {
  return Object.fromEntries(Object.entries(answers).filter(([one]) => one !== key))
}
