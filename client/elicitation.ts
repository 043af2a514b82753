/** What a tool asks the person: `data` of a part `data-elicitation`. */
export interface Elicitation {
  /** The execution that asked; an answer names it. */
  readonly execution_id: string
  readonly tool_call_id: string
  /** Show it with the questions: the words and the pages are the server's. */
  readonly server: string
  readonly tool: string
  readonly round: number
  readonly questions: readonly ElicitationQuestion[]
}

export type ElicitationQuestion =
  | {
      readonly key: string
      readonly message: string
      readonly mode: 'form'
      /** JSON Schema of an object of plain fields. */
      readonly schema: {
        readonly type: 'object'
        readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>
        readonly required: readonly string[]
      }
    }
  | {
      readonly key: string
      readonly message: string
      readonly mode: 'url'
      /** Open it in a browser, after the person has seen the host and agreed. */
      readonly url: string
      readonly host: string
    }

/** The answer to one question, by its key; `content` belongs to an accepted form. */
export interface ElicitationAnswer {
  readonly action: 'accept' | 'decline' | 'cancel'
  readonly content?: Readonly<Record<string, string | number | boolean | readonly string[]>>
}

/** A row of `conversation.tool_elicitations`. */
export interface ElicitationRow {
  readonly round: number
  readonly questions: readonly ElicitationQuestion[]
}
