import type { UIMessage } from 'ai'

/** A conversation as a document: who said what. Calls of tools stand as code. */
export function toMarkdown(title: string, messages: readonly UIMessage[]): string {
  const parts = messages.flatMap(({ role, parts }) => [
    `## ${role === 'user' ? 'You' : 'Answer'}`,
    ...parts.flatMap((part) => {
      if (part.type === 'text') return [part.text]
      if (part.type === 'file') return [`[${part.filename ?? part.mediaType}]`]
      if (part.type !== 'dynamic-tool') return []
      return [fenced(JSON.stringify({ tool: part.toolName, input: part.input }, null, 2))]
    }),
  ])
  return [`# ${title.replace(/\s+/g, ' ')}`, ...parts, ''].join('\n\n')
}

/** The fence is longer than any in the text. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}json\n${text}\n${fence}`
}
