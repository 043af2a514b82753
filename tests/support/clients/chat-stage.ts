import { afterAll, beforeAll } from 'vitest'
import { gate, stop, text } from '../agents/chat-stream.ts'
import { createAgent } from '../agents/invoke.ts'
import { eventStream } from '../agents/raw-http.ts'
import { type ScriptedModel, startScriptedModel } from '../agents/scripted-model.ts'
import { type Organization, type Person, signUpWithOrganization } from '../people/people.ts'
import { connectOwner } from '../stack/database.ts'
import { type Device, openDevice } from './plain-chat.ts'

/** Where a person chats over the transport with a model that says what a test wants. */
export interface ChatStage {
  readonly ann: Person & { organization: Organization }
  readonly scripted: ScriptedModel
  /** The agent's name. */
  readonly agent: string
  open(rest?: { id?: string; agent?: string; send?: typeof fetch }): Device
  says(...texts: string[]): void
  /** What the model was asked last: its messages as `role: text`. */
  asked(): string[] | undefined
  executions(session: string): Promise<object[]>
  /** An answer that waits after its first piece. @returns lets it go on */
  waiting(): () => void
}

/** Sets the stage up before the tests of a file. */
export function useChatStage(): ChatStage {
  const sql = connectOwner()
  let ann: ChatStage['ann']
  let scripted: ScriptedModel
  let agent: string
  beforeAll(async () => {
    scripted = await startScriptedModel()
    ann = await signUpWithOrganization('ann')
    agent = await createAgent(sql, ann.organization, ['openrouter'])
  })
  afterAll(() => scripted.close())
  return {
    get ann() {
      return ann
    },
    get scripted() {
      return scripted
    },
    get agent() {
      return agent
    },
    open(rest = {}) {
      const functions = scripted.baseURL.replace(/\/v1$/, '')
      return openDevice(ann, { agent, functions, ...rest })
    },
    says: (...texts) => scripted.answer(...texts.map((one) => ({ text: [one] }))),
    asked: () =>
      scripted
        .asked()
        .at(-1)
        ?.messages.map(({ role, content }) => `${String(role)}: ${String(content)}`),
    executions: (session) => sql`
      select status, error_code from public.agent_executions where session_id = ${session}
      order by created_at`,
    waiting() {
      const { step, open } = gate()
      const steps = eventStream([text('Part one.'), text(' Part two.'), stop])
      scripted.answer([...steps.slice(0, 2), step, ...steps.slice(2)])
      return open
    },
  }
}
