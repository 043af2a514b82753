import type * as z from 'zod'
import type { VerbRow } from './verbs.ts'

/** What a client is connected with: the three values that its documentation asks for. */
export interface Connection {
  readonly baseURL: string
  readonly apiKey: string
  readonly model: string
}

export interface ClientTool {
  readonly name: string
  readonly description: string
  readonly run: (input: { city: string }) => string
}

/** Each verb as the client's own documentation writes it; `stream` is the client's streaming form. */
export interface Client {
  /** Asks twice in one conversation, by the client's own means of one; gives the second answer. */
  twoTurns(first: string, second: string, stream: boolean): Promise<string>
  /** Asks with a tool that the client runs itself; gives the answer after the tool. */
  toolLoop(question: string, tool: ClientTool, stream: boolean): Promise<string>
  /** Asks for a value of a schema; gives the value that the client has parsed. */
  structured(question: string, schema: z.ZodObject, stream: boolean): Promise<unknown>
  /** Asks about a picture that is in the request, as a data URL. */
  image(question: string, dataUrl: string, stream: boolean): Promise<string>
}

export type Verb = keyof Client

/** What a client does wrong, at OpenAI too. */
export interface Fault {
  /** A sentence for the documents. */
  readonly reason: string
  /** What is true in place of what the verb's row says. */
  readonly instead: Partial<Pick<VerbRow, 'ran' | 'sent' | 'asked'>> & {
    /** One of these. */
    readonly gives?: readonly unknown[]
    /** Part of an error's message: then nothing is given. */
    readonly throws?: string
  }
}

/** One client, under one of the two endpoints, as the documents show it. */
export interface ClientRow {
  /** As the documents name it: the package, and what distinguishes this way of using it. */
  readonly name: string
  readonly package: string
  readonly endpoint: 'chat/completions' | 'responses'
  /** Verbs that the client does not have in this form. */
  readonly lacks?: Partial<Record<`${Verb} ${'whole' | 'streamed'}`, Fault>>
}

export interface ClientDriver extends ClientRow {
  connect(connection: Connection): Client
}
