import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach } from 'vitest'
import type { Stack, StackOptions } from '../../../dev/stack/stack-options.ts'
import { startStack } from '../../../dev/stack/stack.ts'
import { makeDirectory } from './directory.ts'

/** A folder with migrations and functions of a test's own, and a state directory for a stack. */
export class StackFolder {
  readonly root = makeDirectory()
  readonly state = join(this.root, 'state')
  readonly lines: string[] = []
  readonly #stacks: Stack[] = []

  constructor() {
    mkdirSync(join(this.root, 'functions'))
    mkdirSync(join(this.root, 'migrations'))
  }

  write(path: string, text: string): string {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    return file
  }

  remove(path: string): void {
    rmSync(join(this.root, path))
  }

  /** Starts a stack on the folder; it is stopped with the folder if not before. */
  async start(options: StackOptions = {}): Promise<Stack> {
    const stack = await startStack({
      port: 0,
      durable: false,
      directory: this.state,
      migrationsDirectory: join(this.root, 'migrations'),
      seedFile: join(this.root, 'seed.sql'),
      functionsDirectory: join(this.root, 'functions'),
      log: (line) => this.lines.push(line),
      ...options,
    })
    this.#stacks.push(stack)
    return stack
  }

  async close(): Promise<void> {
    await Promise.all(this.#stacks.map((stack) => stack.close()))
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** A folder for every test of the file. */
export function eachTestFolder(): () => StackFolder {
  let folder: StackFolder | undefined
  afterEach(async () => {
    await folder?.close()
    folder = undefined
  })
  return () => (folder ??= new StackFolder())
}

/** One folder for all the tests of the file. */
export function sharedFolder(): StackFolder {
  const folder = new StackFolder()
  afterAll(() => folder.close())
  return folder
}
