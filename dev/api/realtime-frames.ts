import * as z from 'zod'

/** A message of Phoenix channels, in either version of the protocol (Supabase, Realtime Protocol). */
export interface Frame {
  readonly joinRef: string | null
  readonly ref: string | null
  readonly topic: string
  readonly event: string
  readonly payload: Readonly<Record<string, unknown>>
}

export type FrameVersion = '1.0.0' | '2.0.0'

const payload = z.record(z.string(), z.unknown())
const ref = z.string().nullish().default(null)
const asObject = z.object({ topic: z.string(), event: z.string(), payload, ref, join_ref: ref })
const asArray = z.tuple([ref, ref, z.string(), z.string(), payload])

/** @returns null for a text that is no frame */
export function readFrame(text: string, version: FrameVersion): Frame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (version === '1.0.0') {
    const { data } = asObject.safeParse(value)
    return data === undefined ? null : { ...data, joinRef: data.join_ref }
  }
  const { data } = asArray.safeParse(value)
  if (data === undefined) return null
  const [joinRef, own, topic, event, content] = data
  return { joinRef, ref: own, topic, event, payload: content }
}

export function writeFrame(frame: Frame, version: FrameVersion): string {
  const { joinRef, ref: own, topic, event, payload: content } = frame
  return JSON.stringify(
    version === '1.0.0'
      ? { topic, event, payload: content, ref: own, join_ref: joinRef }
      : [joinRef, own, topic, event, content],
  )
}
