import { existsSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StartError } from '../process/start-error.ts'
import { ask, type DemoAnswer } from './answer.ts'
import { attemptForeign } from './attempts.ts'
import { type DemoPerson, join } from './person.ts'
import { DemoReport, DemoStopped } from './report.ts'
import { compareTables } from './tables.ts'
import { type DemoTarget, findTarget } from './target.ts'

const QUESTION = 'What is an analytical engine?'

/**
 * `npm run demo`: the main job from sign-up to a second organization that sees nothing of it.
 * Exits with 1 when any step is not as it should be.
 */
async function main(): Promise<number> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const dotenv = joinPath(root, '.env')
  // As npm start does, so that a provider key in it gives a real answer here too.
  if (existsSync(dotenv)) process.loadEnvFile(dotenv)
  const report = new DemoReport((text) => process.stdout.write(text))
  const target = await findTarget(root, process.env, (line) => console.log(line))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void target.close().finally(() => process.exit(130)))
  }
  const began = performance.now()
  try {
    await walkThrough(target, report)
  } catch (error) {
    if (!(error instanceof DemoStopped)) throw error
    console.error(['', error.message, ...target.output].join('\n'))
    return 1
  } finally {
    await target.close()
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    report.failed === 0
      ? `\nAll ${report.passed} checks hold, after ${seconds} s.`
      : `\n${report.failed} of ${report.passed + report.failed} checks do NOT hold.`,
  )
  if (report.failed === 0) return 0
  console.log(target.output.join('\n'))
  return 1
}

async function walkThrough(target: DemoTarget, report: DemoReport): Promise<void> {
  report.step('Ada and Ben sign up with supabase-js, and each founds an organization.')
  const ada = await join(target, report, 'Ada', 'Analytical Engines')
  const ben = await join(target, report, 'Ben', 'Bridges and Dams')

  report.step('Ada makes a project, and asks the agent droid in it. The answer, as it arrives:')
  const project = await ada.client
    .schema('client_mgmt')
    .from('projects')
    .insert({ name: 'Difference' })
    .select('id, organization_id')
    .single()
  report.require(
    'the project is in her organization, though she never named it',
    project.data?.organization_id === ada.organization.id,
    project.error ?? project.data,
  )
  report.piece(`\n   Ada:   ${QUESTION}\n   droid: `)
  const answer = await ask(
    ada.client,
    { agent: 'droid', project_id: project.data.id, message: { content: QUESTION } },
    (piece) => report.piece(piece),
  )
  report.piece('\n\n')
  checkAnswer(report, answer)

  report.step('Ada reads it back through PostgREST.')
  await readBack(report, ada, answer)

  report.step('Ben reads the same tables.')
  await compareTables(target, report, ada, ben)

  report.step('Ben learns the exact ids, and tries to read, change and add to what is Ada’s.')
  await attemptForeign(report, ada, ben, answer)

  report.step('Ada looks again: nothing has changed.')
  await readBack(report, ada, answer)
}

function checkAnswer(report: DemoReport, answer: DemoAnswer): void {
  const { arrivals, firstTextMs, lastTextMs, events, finishReason, usage } = answer
  report.check(
    `it arrived in ${arrivals} pieces, the first after ${firstTextMs.toFixed(0)} ms, the last after ${lastTextMs.toFixed(0)} ms`,
    arrivals > 1 && lastTextMs > firstTextMs,
    { arrivals, firstTextMs, lastTextMs },
  )
  report.check(
    `the stream has one end: finish, reason ${finishReason}`,
    events.slice(-2).join() === 'finish,[DONE]' &&
      events.filter((e) => e === 'finish').length === 1,
    events,
  )
  report.check(
    `the provider counted ${usage?.input_tokens} tokens in and ${usage?.output_tokens} out`,
    (usage?.input_tokens ?? 0) > 0 && (usage?.output_tokens ?? 0) > 0,
    usage,
  )
}

async function readBack(
  report: DemoReport,
  { client }: DemoPerson,
  { executionId, sessionId, text, usage }: DemoAnswer,
): Promise<void> {
  const session = await client
    .from('chat_sessions')
    // Two keys join the tables: this one's messages, and the one that the session is at.
    .select(
      'visibility, messages:chat_messages!chat_messages_session_fkey(role, content, created_at)',
    )
    .eq('id', sessionId)
    .order('created_at', { referencedTable: 'messages' })
    .single()
  const messages = session.data?.messages.map(({ role, content }) => [role, content])
  report.check(
    'chat_sessions has the session, private to Ada, and embeds its two messages: the question, and the answer word for word as it was streamed',
    session.data?.visibility === 'private' &&
      JSON.stringify(messages) ===
        JSON.stringify([
          ['user', QUESTION],
          ['assistant', text],
        ]),
    session.error ?? session.data,
  )
  const execution = await client.from('agent_executions').select().eq('id', executionId).single()
  report.check(
    `agent_executions has it as a success with the same counts, in ${execution.data?.latency_ms} ms`,
    execution.data?.status === 'success' &&
      execution.data.input_tokens === usage?.input_tokens &&
      execution.data.output_tokens === usage?.output_tokens,
    execution.error ?? execution.data,
  )
}

try {
  process.exitCode = await main()
} catch (error) {
  // A failure that the developer can correct is one line; anything else is a defect and keeps its
  // trace.
  const isKnown = error instanceof StartError || error instanceof DemoStopped
  console.error(isKnown ? `npm run demo: ${error.message}` : error)
  process.exitCode = 1
}
