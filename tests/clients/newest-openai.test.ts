import { expect, test } from 'vitest'
import { useNewestScript } from '../support/clients/newest.ts'
import { accessToken, signUpWithOrganization } from '../support/people/people.ts'
import { useStack } from '../support/stack/stack.ts'

const ask = useNewestScript<{ baseURL: string; apiKey: string }, unknown>('openai.js')

test('the newest OpenAI SDK lists the models and names a refusal, under Node 24', async () => {
  const ann = await signUpWithOrganization('ann')
  const baseURL = `${useStack().url}/functions/v1/agents/v1`
  expect(await ask({ baseURL, apiKey: await accessToken(ann) })).toEqual({
    node: expect.stringMatching(/^v2[4-9]\./) as string,
    ids: expect.arrayContaining(['droid', 'droid/gpt-4']) as string[],
    refusal: { name: 'AuthenticationError', status: 401, code: 'invalid_api_key' },
  })
})
