import { toStorableText } from '../storable.ts'

/** What a tool asks the person of an execution, as it is stored and shown. */
export type Question = FormQuestion | UrlQuestion

interface Asked {
  /** The server's name of the question. */
  readonly key: string
  /** The server's words; foreign text. */
  readonly message: string
}

/** The schema of a form: an object whose fields are plain values (MCP, "Elicitation"). */
export interface FormSchema {
  readonly type: 'object'
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly required: readonly string[]
  readonly additionalProperties: false
}

export interface FormQuestion extends Asked {
  readonly mode: 'form'
  readonly schema: FormSchema
}

export interface UrlQuestion extends Asked {
  readonly mode: 'url'
  /** For the person's browser; nothing of ours requests it. */
  readonly url: string
  readonly host: string
}

/** What a call needs before the server answers it. */
export interface Elicitation {
  readonly questions: readonly Question[]
  /** What the server wants back, byte by byte; null: nothing. */
  readonly state: string | null
  /** The server gets the answers; otherwise it gets the same call again, once the person is done. */
  readonly takesAnswers: boolean
}

/** An answer of the person to one question; `content` belongs to an accepted form. */
export interface Answer {
  readonly action: 'accept' | 'decline' | 'cancel'
  readonly content?:
    Readonly<Record<string, string | number | boolean | readonly string[]>> | undefined
}

export type Answers = Readonly<Record<string, Answer>>

/** What a repeated call brings with it. */
export interface Reply {
  readonly answers: Answers
  readonly state: string | null
  readonly takesAnswers: boolean
}

/** Questions of one round, and rounds of one call. */
export const maxQuestions = 8
export const maxRounds = 8
/** Characters of a server's message, of the name of a question, and of an address. */
export const maxMessage = 4_000
export const maxKey = 200
export const maxUrl = 2_048
/** Bytes of JSON of a server's state, of the questions of a round, and of their answers. */
export const maxStateBytes = 40_000
export const maxQuestionsBytes = 32_000
export const maxAnswersBytes = 40_000

/** A name of a question or a field; one name is none, because not every reader of JSON keeps it. */
export function isKeepable(name: string): boolean {
  return name.length <= maxKey && name === toStorableText(name) && name !== '__proto__'
}

export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength
}
