import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import * as z from 'zod'
import type { ClientDriver } from '../driver.ts'

type Input = OpenAI.Responses.ResponseInputItem[]

export const openaiResponses: ClientDriver = {
  name: '`openai`, responses',
  package: 'openai',
  endpoint: 'responses',
  connect({ model, ...options }) {
    const client = new OpenAI({ ...options, maxRetries: 0 })
    const ask = async (body: { input: Input; tools?: OpenAI.Responses.Tool[] }, stream: boolean) =>
      stream
        ? await client.responses.stream({ model, ...body }).finalResponse()
        : await client.responses.create({ model, ...body })
    return {
      async twoTurns(first, second, stream) {
        const input: Input = [{ role: 'user', content: first }]
        const { output } = await ask({ input }, stream)
        input.push(...(output as Input), { role: 'user', content: second })
        return (await ask({ input }, stream)).output_text
      },
      async toolLoop(content, tool, stream) {
        const { name, description, run } = tool
        const parameters = z.toJSONSchema(z.object({ city: z.string() }))
        const tools = [{ type: 'function' as const, name, description, parameters, strict: true }]
        const input: Input = [{ role: 'user', content }]
        for (;;) {
          const { output, output_text } = await ask({ input, tools }, stream)
          const calls = output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
          if (calls.length === 0) return output_text
          input.push(
            ...(output as Input),
            ...calls.map(({ call_id, arguments: text }) => ({
              type: 'function_call_output' as const,
              call_id,
              output: run(JSON.parse(text) as { city: string }),
            })),
          )
        }
      },
      async structured(content, schema, stream) {
        const body = {
          model,
          input: [{ role: 'user' as const, content }],
          text: { format: zodTextFormat(schema, 'value') },
        }
        const { output_parsed } = stream
          ? await client.responses.stream(body).finalResponse()
          : await client.responses.parse(body)
        return output_parsed
      },
      async image(text, image_url, stream) {
        const content = [
          { type: 'input_text' as const, text },
          { type: 'input_image' as const, image_url, detail: 'auto' as const },
        ]
        return (await ask({ input: [{ role: 'user', content }] }, stream)).output_text
      },
    }
  },
}
