import type { TransactionSql } from 'postgres'

export interface Transcript {
  name: string
  format: string
  text: string
  [key: string]: unknown
}

export interface ImportedTranscript {
  transcript: number
  block_id: string
  turns: number
}

export const jsonLines = (lines: readonly object[]): string =>
  lines.map((line) => JSON.stringify(line)).join('\n')

/** A statement for as(): import_transcripts() with anything as its transcripts. */
export const importing =
  (project: string | null, transcripts: unknown) =>
  (tx: TransactionSql): Promise<ImportedTranscript[]> =>
    tx<ImportedTranscript[]>`
      select * from public.import_transcripts(${project}, ${JSON.stringify(transcripts)}::text::jsonb)`
