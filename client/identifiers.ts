const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function isUuid(text: string): boolean {
  return uuid.test(text)
}

/** A new id of a message; not every runtime of React Native has `crypto`. */
export function newId(): string {
  const { crypto } = globalThis as { crypto?: Partial<Crypto> }
  if (crypto?.randomUUID) return crypto.randomUUID()
  const digits = 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'
  return digits.replaceAll('x', () => Math.floor(Math.random() * 16).toString(16))
}

/**
 * What the backend calls the messages of a chat. It wants uuids, and uses an id once: a message that
 * was edited, or that had an id of another form, has another id there.
 */
export class MessageIds {
  readonly #stored = new Map<string, string>()

  /** The stored id of a message that was sent or loaded; null when it cannot have one. */
  find(id: string): string | null {
    return this.#stored.get(id) ?? (isUuid(id) ? id : null)
  }

  /** The id under which a message is sent for the first time. */
  assign(id: string): string {
    return this.find(id) ?? this.replace(id)
  }

  /** A new id for a message whose text changes. */
  replace(id: string, stored = newId()): string {
    this.#stored.set(id, stored)
    return stored
  }
}
