import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { answerTo } from '../../dev/functions/local-answers.ts'
import { readAnswer } from '../../examples/chat-cli/read-answer.ts'
import { startExample } from '../support/people/example.ts'
import { signUpWithOrganization } from '../support/people/people.ts'

const answer = (question: string) => answerTo(question, 'anthropic/claude-3-opus')

/** Gives the chat its lines and waits for its end. */
async function chat(lines: string[], variables: Record<string, string> = {}) {
  const child = startExample('chat-cli/chat.ts', variables)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  const code = await new Promise((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

describe('the chat in the terminal', { timeout: 60_000 }, () => {
  test('goes on in its session, begins another one and finds the first again', async () => {
    const { code, stdout, stderr } = await chat([
      'First',
      'Second',
      '/new',
      'Third',
      '/sessions',
      '/open 2',
      '/quit',
    ])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^(> )?1 .* 2 messages.*\n2 .* 4 messages/m)
    expect(stdout.slice(stdout.indexOf('4 messages'))).toContain(
      [
        'user: First',
        `assistant: ${answer('First')}`,
        'user: Second',
        `assistant: ${answer('Second')}`,
      ].join('\n'),
    )
    expect(code).toBe(0)
  })

  test('signs an existing account in and shows none of another one’s sessions', async () => {
    const ann = await signUpWithOrganization('ann')
    await ann.client.from('chat_sessions').insert({ title: 'Title of Ann' })
    const bob = await signUpWithOrganization('bob')
    const listOf = ({ email, password }: typeof ann) =>
      chat(['/sessions'], { EMAIL: email, PASSWORD: password })
    expect((await listOf(ann)).stdout).toContain('Title of Ann')
    expect((await listOf(bob)).stdout).not.toContain('Title of Ann')
  })

  test('says why a question was refused, and goes on', async () => {
    const { code, stdout, stderr } = await chat(['/open 7', 'x'.repeat(300_000), 'Still there?'])
    expect(stderr).toContain('! no such number')
    expect(stderr).toContain('"code":"invalid_request"')
    expect(stdout).toContain(answer('Still there?'))
    expect(code).toBe(0)
  })

  test('ends with one line and 1 when the password is wrong', async () => {
    const { code, stderr } = await chat([], { EMAIL: 'no@example.com', PASSWORD: randomUUID() })
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
  })

  test.each([
    ['is cut', 'data: {"type":"text-delta","id":"1","delta":"Hal"}\n\n', 'cut before'],
    ['fails', 'data: {"type":"error","errorText":"provider_stalled: …"}\n\n', 'provider_stalled'],
    ['is cancelled', 'data: {"type":"abort","reason":"cancelled"}\n\n', 'cancelled'],
  ])('does not take an answer for complete that %s', async (_what, stream, message) => {
    const pieces = async () => {
      for await (const piece of readAnswer(new Blob([stream]).stream())) expect(piece).toBeDefined()
    }
    await expect(pieces()).rejects.toThrow(message)
  })
})
