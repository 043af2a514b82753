import { countOf, isRecord, stringOf } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'

/** Adds OpenAI's `url_citation` annotations, whose fields stand beside the type at some services. */
export function addAnnotations(annotations: unknown, answer: AnswerBuilder): void {
  if (!Array.isArray(annotations)) return
  for (const annotation of annotations.filter(isRecord)) {
    if (annotation['type'] !== 'url_citation') continue
    const inner = annotation['url_citation']
    const cited = isRecord(inner) ? inner : annotation
    addSource(cited['url'], cited['title'], answer, {
      start: countOf(cited['start_index']),
      end: countOf(cited['end_index']),
    })
  }
}

/** Adds the lists that Perplexity and xAI give with the answer: addresses, or results of a search. */
export function addCitations(body: Record<string, unknown>, answer: AnswerBuilder): void {
  for (const list of [body['search_results'], body['citations']]) {
    if (!Array.isArray(list)) continue
    for (const cited of list as unknown[]) {
      if (typeof cited === 'string') addSource(cited, null, answer)
      else if (isRecord(cited)) addSource(cited['url'], cited['title'], answer)
    }
  }
}

/** Adds what an answer rests on, as the provider names it. */
export function addSource(
  url: unknown,
  title: unknown,
  answer: AnswerBuilder,
  place: { start: number | null; end: number | null } = { start: null, end: null },
): void {
  const address = stringOf(url)
  if (address === null) return
  const name = stringOf(title)
  const { start, end } = place
  answer.source({
    type: 'source',
    url: address,
    ...(name !== null && { title: name.slice(0, 500) }),
    ...(start !== null && end !== null && { start_index: start, end_index: end }),
  })
}
