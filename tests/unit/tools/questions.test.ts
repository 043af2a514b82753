import { describe, expect, it } from 'vitest'
import { findAnswerProblem } from '../../../supabase/functions/_shared/tools/check-answers.ts'
import {
  type Answers,
  jsonBytes,
  maxQuestions,
  maxQuestionsBytes,
  maxStateBytes,
  type Question,
} from '../../../supabase/functions/_shared/tools/elicitation.ts'
import {
  readInputRequired,
  readUrlRequired,
} from '../../../supabase/functions/_shared/tools/read-questions.ts'
import { hostileJson, seeded } from '../../support/hostile-json.ts'

const ask = (params: object, method = 'elicitation/create') => ({ method, params })
const read = (params: object) => readInputRequired({ inputRequests: { q: ask(params) } })
const name = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }

describe('a question with a page', () => {
  it('has the address and the host that a browser takes', () => {
    const url = 'https://EXÄMPLE.com:443/a?b#c'
    expect(read({ mode: 'url', message: 'Sign in', url }).elicitation?.questions).toEqual([
      {
        ...{ key: 'q', mode: 'url', message: 'Sign in' },
        ...{ url: 'https://xn--exmple-cua.com/a?b#c', host: 'xn--exmple-cua.com' },
      },
    ])
  })

  it.each([
    ['http://a.example/'],
    ['javascript:alert(1)'],
    ['data:text/html,a'],
    ['file:///etc/passwd'],
    ['https://bank.example@evil.example/'],
    ['https://:secret@evil.example/'],
    ['//a.example/'],
    [''],
    [null],
    [{}],
    [`https://a.example/${'x'.repeat(2_100)}`],
    [`https://a.example/${'語'.repeat(900)}`],
  ])('is refused with the address %j', (url) => {
    expect(read({ mode: 'url', message: 'Go', url }).problem).toMatch(/no https address/)
    expect(readUrlRequired({ elicitations: [{ url, message: 'Go' }] }).problem).toMatch(/https/)
  })
})

describe('questions', () => {
  it('keep what is asked and the state byte by byte', () => {
    const state = '{"a": "\ud800\0 ü"}'
    const { elicitation } = readInputRequired({
      inputRequests: { q: ask({ message: 'Who?', requestedSchema: name }) },
      requestState: state,
    })
    expect(elicitation).toMatchObject({ state, takesAnswers: true, questions: [{ mode: 'form' }] })
  })

  it.each([
    ['nothing', {}, /asks nothing/],
    ['null', { inputRequests: null, requestState: null }, /asks nothing/],
    ['a list', { inputRequests: [] }, /asks nothing/],
    ['sampling', { inputRequests: { q: ask({}, 'sampling/createMessage') } }, /more than a person/],
    ['roots', { inputRequests: { q: ask({}, 'roots/list') } }, /more than a person/],
    ['no request', { inputRequests: { q: null } }, /more than a person/],
    ['another mode', { inputRequests: { q: ask({ mode: 'voice' }) } }, /not known/],
    ['a state that is no text', { requestState: {} }, /no text/],
    ['too long a state', { requestState: 'x'.repeat(maxStateBytes) }, /too long/],
    ['a name that cannot be kept', { inputRequests: { 'a\0': ask({}) } }, /cannot be kept/],
    [
      'by a name of JavaScript',
      JSON.parse('{"inputRequests":{"__proto__":{}}}') as object,
      /cannot be kept/,
    ],
    [
      'a thousand questions',
      { inputRequests: Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [n, ask({})])) },
      /more than 8/,
    ],
    [
      'too much text',
      {
        inputRequests: Object.fromEntries(
          Array.from({ length: 8 }, (_, n) => [
            `q${n}`,
            ask({ message: '語'.repeat(4_000), requestedSchema: name }),
          ]),
        ),
      },
      /too long/,
    ],
  ])('are refused that ask %s', (_, result, problem) => {
    expect(readInputRequired(result).problem).toMatch(problem)
  })

  it('of an error are its pages, by the ids of the server', () => {
    const url = 'https://a.example/'
    const { elicitation } = readUrlRequired({
      elicitations: [{ elicitationId: 'e1', url, message: 'Go' }, { url }],
    })
    expect(elicitation).toMatchObject({
      takesAnswers: false,
      state: null,
      questions: [{ key: 'e1' }, { key: 'page 2', message: '' }],
    })
    const twice = [1, 2].map(() => ({ elicitationId: 'e1', url }))
    for (const data of [null, {}, { elicitations: [] }, { elicitations: [null] }]) {
      expect(readUrlRequired(data).problem).toEqual(expect.any(String))
    }
    expect(readUrlRequired({ elicitations: twice }).problem).toMatch(/twice/)
  })
})

describe('an answer', () => {
  const questions = [
    ...(read({ message: 'Who?', requestedSchema: name }).elicitation?.questions ?? []),
    ...(readUrlRequired({ elicitations: [{ elicitationId: 'page', url: 'https://a.example/' }] })
      .elicitation?.questions ?? []),
  ]
  const page = { action: 'accept' } as const
  const problem = (answers: object) => findAnswerProblem(questions, answers as Answers)?.path

  it('fits the questions', () => {
    expect(problem({ q: { action: 'accept', content: { name: 'Ann' } }, page })).toBeUndefined()
    expect(problem({ q: { action: 'decline' }, page: { action: 'cancel' } })).toBeUndefined()
  })

  it.each([
    ['answers', { q: { action: 'accept', content: { name: 'x'.repeat(40_000) } }, page }],
    ['answers.page', { q: { action: 'decline' } }],
    ['answers.other', { q: { action: 'decline' }, page, other: page }],
    ['answers.q.content', { q: { action: 'accept' }, page }],
    ['answers.q.content', { q: { action: 'accept', content: {} }, page }],
    ['answers.q.content.name', { q: { action: 'accept', content: { name: 1 } }, page }],
    ['answers.q.content', { q: { action: 'accept', content: { name: 'a', more: 1 } }, page }],
    ['answers.q.content', { q: { action: 'decline', content: { name: 'a' } }, page }],
    ['answers.page.content', { q: { action: 'decline' }, page: { ...page, content: {} } }],
  ])('is refused at %s', (path, answers) => {
    expect(problem(answers)).toMatch(new RegExp(`^${path.replaceAll('.', '\\.')}`))
  })

  it.each([
    ['email', 'a@b', 'a b@c'],
    ['uri', 'https://a.example', 'a b'],
    ['date', '2028-02-29', '2027-02-29'],
    ['date-time', '2028-02-29T10:00:00Z', '2028-02-30T10:00:00Z'],
  ])('has the format %s', (format, good, bad) => {
    const requestedSchema = { properties: { field: { type: 'string', format } } }
    const { elicitation } = read({ message: '', requestedSchema })
    const of = (field: string) => ({ q: { action: 'accept' as const, content: { field } } })
    expect(findAnswerProblem(elicitation?.questions ?? [], of(good))).toBeNull()
    expect(findAnswerProblem(elicitation?.questions ?? [], of(bad))?.path).toMatch(/field$/)
  })
})

it(
  '10,000 hostile questions are read and answered without a throw, within every limit',
  { timeout: 120_000 },
  () => {
    const random = seeded(4)
    const schema = ['type', 'properties', 'required', 'enum', 'oneOf', 'anyOf', 'items', 'const']
    const values = ['string', 'object', 'array', 'number', 'null', 'format', 'default', 'minimum']
    const names = ['mode', 'url', 'form', 'message', 'requestedSchema', ...schema, ...values]
    let used = 0
    for (let round = 0; round < 10_000; round += 1) {
      const params = {
        ...(random() < 0.7 && { message: 'Who?', requestedSchema: { properties: {} } }),
        ...(random() < 0.2 && { mode: 'url', url: 'https://a.example/' }),
        ...(hostileJson(random, names, 2) as object | null),
        ...(random() < 0.5 && {
          requestedSchema: {
            properties: { a: hostileJson(random, names), b: { type: 'string' } },
            required: random() < 0.1 ? hostileJson(random, ['a', 'b'], 1) : ['b'],
          },
        }),
      }
      const given = random() < 0.2 ? hostileJson(random, names) : { q: ask(params) }
      const { elicitation, problem } = readInputRequired({
        inputRequests: given,
        requestState: random() < 0.5 ? 's' : hostileJson(random, names, 1),
      })
      if (!elicitation) {
        expect(problem).toMatch(/^[\w ’"?.-]{1,200}$/)
        continue
      }
      const { questions, state } = elicitation
      used += questions.length
      expect(questions.length).toBeLessThanOrEqual(maxQuestions)
      if (jsonBytes(questions) > maxQuestionsBytes) expect.fail('too long')
      if (jsonBytes(state) > maxStateBytes) expect.fail('too long a state')
      if (/\\u0000|\\ud800|e\+?\d/.test(JSON.stringify(questions).replace(/"[^"]*"/g, ''))) {
        expect.fail('not storable')
      }
      for (const question of questions)
        checkOne(question, { a: hostileJson(random, ['a'], 0), b: hostileJson(random, ['b'], 0) })
    }
    expect(used).toBeGreaterThan(3_000)
  },
)

function checkOne(question: Question, content: unknown): void {
  if (question.mode === 'url') return expect(question.url).toMatch(/^https:\/\//)
  const answers = { [question.key]: { action: 'accept', content } } as Answers
  findAnswerProblem([question], answers)
}
