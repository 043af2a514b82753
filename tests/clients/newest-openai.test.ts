import { expect, test } from 'vitest'
import { answerTo } from '../../dev/functions/model-server.ts'
import { useNewestClients } from '../support/clients/newest.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const run = useNewestClients()

test('the newest OpenAI SDK works under Node 24: chats, responses, models, errors', async () => {
  const ann = await signUpWithOrganization('ann')
  const said = await run('openai.js', {
    OPENAI_BASE_URL: `${useStack().url}/functions/v1/agents/v1`,
    OPENAI_API_KEY: await accessToken(ann),
    MODEL: 'droid/gpt-4',
  })
  const answer = answerTo('Who are you?', 'openai/gpt-4')
  const usage = expect.objectContaining({ total_tokens: expect.any(Number) as number }) as object
  expect(said).toEqual({
    node: expect.stringMatching(/^v2[4-9]\./) as string,
    ...{ answer, usage, streamed: answer, streamedUsage: usage, output: answer },
    events: expect.arrayContaining([
      'response.created',
      'response.output_text.delta',
      'response.completed',
    ]) as string[],
    ids: expect.arrayContaining(['droid', 'droid/gpt-4']) as string[],
    refusal: { name: 'AuthenticationError', status: 401, code: 'invalid_api_key' },
  })
})
