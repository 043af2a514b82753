import type { Keyset } from './keyset.ts'
import { open, type Place, seal } from './seal.ts'

/** A sealed value and the place it is sealed for. */
export interface SealedValue {
  readonly place: Place
  readonly value: string
}

/** Where sealed values are kept. */
export interface SealedStore {
  /** The next values that another key than the primary one has sealed, after one of them, in a fixed order. */
  list(primaryKeyId: string, after: SealedValue | null, batch: number): Promise<SealedValue[]>
  /** Replaces a value if it is still the old one. @returns whether it was */
  replace(place: Place, old: string, value: string): Promise<boolean>
}

export interface RotationReport {
  /** Sealed anew with the primary key. */
  readonly sealed: number
  /** Another writer replaced them in the meantime; they stay as they are. */
  readonly changed: number
  /** Do not open with any key: damaged, or their key is missing. Places, never values. */
  readonly failed: readonly Place[]
}

/**
 * Seals every value of another key with the primary key, in batches, beside live traffic. A run that
 * was cut off loses nothing: the next run continues.
 */
export async function rotate(
  keyset: Keyset,
  store: SealedStore,
  { batch, onProgress }: { batch: number; onProgress: (report: RotationReport) => void },
): Promise<RotationReport> {
  let sealed = 0
  let changed = 0
  const failed: Place[] = []
  let after: SealedValue | null = null
  for (;;) {
    const values = await store.list(keyset.primary.id, after, batch)
    for (const { place, value } of values) {
      after = { place, value }
      const secret = await open(keyset, place, value).catch(() => {
        // Counted with its place; the reason is always the same and says nothing of the secret.
        failed.push(place)
        return null
      })
      if (secret === null) continue
      if (await store.replace(place, value, await seal(keyset, place, secret))) sealed += 1
      else changed += 1
    }
    const report = { sealed, changed, failed }
    onProgress(report)
    if (values.length < batch) return report
  }
}
