/** Prints the demo's steps and counts its successful checks. */
export class DemoReport {
  #passed = 0
  #failed = 0
  #steps = 0
  readonly #write: (text: string) => void

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  get failed(): number {
    return this.#failed
  }

  get passed(): number {
    return this.#passed
  }

  step(title: string): void {
    this.#steps += 1
    this.#write(`\n${this.#steps}. ${title}\n`)
  }

  line(text: string): void {
    this.#write(`   ${text}\n`)
  }

  /** Text without a line end, for an answer that is still arriving. */
  piece(text: string): void {
    this.#write(text)
  }

  /** @param found what was there instead, printed when `holds` is false */
  check(claim: string, holds: boolean, found: unknown): void {
    if (holds) {
      this.#passed += 1
      this.line(`✓ ${claim}`)
    } else {
      this.#failed += 1
      this.line(`✗ NOT SO: ${claim}. Found: ${describe(found)}`)
    }
  }

  /** A check that the rest of the demo cannot do without. @throws DemoStopped */
  require(claim: string, holds: boolean, found: unknown): asserts holds {
    this.check(claim, holds, found)
    if (!holds) throw new DemoStopped('The rest needs this, so the demo stops here.')
  }
}

/** The demo cannot continue. The reason is printed before, or it is the message. */
export class DemoStopped extends Error {
  override name = 'DemoStopped'
}

/** One line for people, of an error or of any value. */
export function describe(value: unknown): string {
  const text = value instanceof Error ? value.message : JSON.stringify(value)
  return (text ?? 'nothing').replace(/\s+/g, ' ').slice(0, 300)
}
