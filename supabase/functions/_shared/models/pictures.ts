import { isRecord } from '../json.ts'
import type { AnswerBuilder } from './answer-builder.ts'
import { ModelError } from './model-error.ts'
import type { ProviderMetadata } from './model-protocol.ts'

const pictureType = /^image\/[a-z0-9.+-]{1,64}$/i
const base64 = /^[A-Za-z0-9+/]+={0,2}$/

/** What a picture of an earlier answer stands for where a model is not shown it. */
export function pictureText(mediaType: string): string {
  return `[${mediaType}, made by the model]`
}

/**
 * Adds the pictures of a message or a delta, in OpenRouter's form.
 * @throws ModelError `provider_malformed_response`, `provider_unsupported_output`
 */
export function addPictures(images: unknown, answer: AnswerBuilder): void {
  const given = images ?? []
  if (!Array.isArray(given)) throw malformed('images is not an array')
  for (const image of given as unknown[]) addPicture(image, answer)
}

/** Adds a picture, which is an `image_url` with a data URL. An address may be gone tomorrow. */
export function addPicture(image: unknown, answer: AnswerBuilder): void {
  const named = isRecord(image) ? image['image_url'] : undefined
  const url = isRecord(named) ? named['url'] : named
  if (typeof url !== 'string') throw unsupportedOutput()
  const [, mediaType = ''] = /^data:([^;,]{1,80})(?:;[^;,]{0,80}){0,4};base64,/i.exec(url) ?? []
  addPictureData(mediaType, url.slice(url.indexOf(',') + 1), answer)
}

/** Adds a picture that is given as base64. */
export function addPictureData(
  mediaType: string,
  data: string,
  answer: AnswerBuilder,
  metadata?: ProviderMetadata,
): void {
  if (!pictureType.test(mediaType) || !base64.test(data)) throw unsupportedOutput()
  const media_type = mediaType.toLowerCase()
  const url = `data:${media_type};base64,${data}`
  answer.picture({ type: 'picture', url, media_type, ...(metadata && { metadata }) })
}

export function unsupportedOutput(): ModelError {
  return new ModelError('provider_unsupported_output', {
    detail: 'no text and no picture in base64',
  })
}

function malformed(detail: string): ModelError {
  return new ModelError('provider_malformed_response', { detail })
}
