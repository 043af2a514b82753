type Value = string | number | boolean | readonly string[] | null

/** What a person filled into a form. */
export class Given {
  constructor(readonly values: ReadonlyMap<string, Value>) {}

  /** The text; null when nothing is filled in. */
  text(name: string): string | null {
    const value = this.values.get(name)
    return typeof value === 'string' ? value : null
  }

  /** The text of a required field. */
  need(name: string): string {
    return this.text(name) ?? ''
  }

  number(name: string): number | null {
    const value = this.values.get(name)
    return typeof value === 'number' ? value : null
  }

  flag(name: string): boolean {
    return this.values.get(name) === true
  }

  list(name: string): string[] {
    const value = this.values.get(name)
    return Array.isArray(value) ? [...(value as readonly string[])] : []
  }

  /** An object in JSON; an empty one when nothing is filled in. @throws a sentence when it is none */
  object(name: string): Record<string, never> {
    const text = this.text(name)
    if (text === null) return {}
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        return value as Record<string, never>
      }
    } catch {
      // The sentence below says it.
    }
    throw new Error(`The field “${name}” must be an object in JSON, such as {"temperature": 0.2}.`)
  }
}
