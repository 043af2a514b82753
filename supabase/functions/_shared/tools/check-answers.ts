import { findMismatch } from '../json-schema/find-mismatch.ts'
import { checkableSchema } from './checkable-schema.ts'
import {
  type Answer,
  type Answers,
  jsonBytes,
  maxAnswersBytes,
  type Question,
} from './elicitation.ts'

/** Where and why answers do not answer the questions. */
export interface AnswerProblem {
  readonly path: string
  readonly message: string
}

/** Checks the answers of a person against the questions that were shown; null: they may be sent. */
export function findAnswerProblem(
  questions: readonly Question[],
  answers: Answers,
): AnswerProblem | null {
  const keys = questions.map(({ key }) => key)
  const other = Object.keys(answers).find((key) => !keys.includes(key))
  if (other !== undefined) return { path: `answers.${other}`, message: 'is no question' }
  if (jsonBytes(answers) > maxAnswersBytes) {
    return { path: 'answers', message: `are longer than ${maxAnswersBytes} bytes` }
  }
  for (const question of questions) {
    const path = `answers.${question.key}`
    const answer = Object.hasOwn(answers, question.key) ? answers[question.key] : undefined
    if (!answer) return { path, message: 'is required' }
    const problem = problemOf(question, answer)
    if (problem) return { path: `${path}${problem.path}`, message: problem.message }
  }
  return null
}

function problemOf(question: Question, { action, content }: Answer): AnswerProblem | null {
  const hasContent = action === 'accept' && question.mode === 'form'
  if (!hasContent) {
    const isGiven = content !== undefined
    return isGiven ? { path: '.content', message: 'belongs to an accepted form alone' } : null
  }
  if (content === undefined) return { path: '.content', message: 'is required' }
  const schema = checkableSchema({ ...question.schema })
  const mismatch = schema && findMismatch(schema, content)
  if (mismatch) {
    const place = mismatch.path === '' ? '' : `.${mismatch.path}`
    return { path: `.content${place}`, message: `does not match the form: ${mismatch.keyword}` }
  }
  for (const [name, { format }] of Object.entries(question.schema.properties)) {
    const value = Object.hasOwn(content, name) ? content[name] : undefined
    if (typeof value !== 'string' || typeof format !== 'string') continue
    if (!hasFormat(value, format)) return { path: `.content.${name}`, message: `is no ${format}` }
  }
  return null
}

const date = /^\d{4}-\d{2}-\d{2}$/
const dateTime = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** The formats that a form may have; RFC 3339 for times. */
function hasFormat(value: string, format: string): boolean {
  switch (format) {
    case 'email':
      return value.length <= 254 && /^[^\s@]{1,64}@[^\s@]+$/.test(value)
    case 'uri':
      return URL.canParse(value)
    case 'date':
      return date.test(value) && isDay(value)
    default:
      return dateTime.test(value) && isDay(value.slice(0, 10)) && !Number.isNaN(Date.parse(value))
  }
}

/** JavaScript takes 30 February for 2 March. */
function isDay(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}
