import type { UploadedPart } from 'colloquy/client'
import { useState } from 'react'
import { useBackend } from '../backend.ts'
import { explain } from '../explain.ts'
import { toSendable } from './sendable.ts'

/** A file beside the message that the person writes. */
export interface Upload {
  readonly id: string
  readonly file: File
  /** Absent until the file is stored. */
  readonly part?: UploadedPart
}

export interface Uploads {
  readonly list: readonly Upload[]
  /** Each a sentence. */
  readonly problems: readonly string[]
  readonly add: (files: Iterable<File>) => void
  readonly remove: (id: string) => void
  /** The files as parts of a message; none is left. */
  readonly take: () => UploadedPart[]
}

/** Uploads files into a conversation as soon as the person adds them. */
export function useUploads(sessionId: string): Uploads {
  const { transport } = useBackend()
  const [list, setList] = useState<readonly Upload[]>([])
  const [problems, setProblems] = useState<readonly string[]>([])
  const remove = (id: string) => setList((before) => before.filter((one) => one.id !== id))

  const upload = async ({ id, file }: Upload) => {
    try {
      const part = await transport.upload(sessionId, file)
      setList((before) => before.map((one) => (one.id === id ? { ...one, part } : one)))
    } catch (error) {
      remove(id)
      setProblems((before) => [...before, `“${file.name}” was not added. ${explain(error)}`])
    }
  }
  const add = (files: Iterable<File>) => {
    let bytes = list.reduce((sum, { file }) => sum + file.size, 0)
    const refused: string[] = []
    const added: Upload[] = []
    for (const given of files) {
      const file = toSendable(given, bytes)
      if (typeof file === 'string') {
        refused.push(file)
        continue
      }
      bytes += file.size
      added.push({ id: crypto.randomUUID(), file })
    }
    setProblems(refused)
    setList((before) => [...before, ...added])
    for (const one of added) void upload(one)
  }
  const take = () => {
    setList([])
    setProblems([])
    return list.flatMap(({ part }) => part ?? [])
  }
  return { list, problems, add, remove, take }
}
