// What an application with the newest OpenAI SDK asks beside its conversations.
import OpenAI from 'openai'

process.on('message', async ({ baseURL, apiKey }) => {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
  try {
    const ids = []
    for await (const { id } of client.models.list()) ids.push(id)
    const refusal = await new OpenAI({ baseURL, apiKey: 'no token', maxRetries: 0 }).models
      .list()
      .then(
        () => null,
        (error) => ({ name: error.constructor.name, status: error.status, code: error.code }),
      )
    process.send({ answer: { node: process.version, ids, refusal } })
  } catch (error) {
    process.send({ error: error.stack })
  }
})
process.send({})
