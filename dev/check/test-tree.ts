import path from 'node:path'

const tests = 'tests/unit/'
/** Folders of code that stand at the top of tests/unit by themselves. */
const opened = ['supabase/functions/_shared/', 'supabase/functions/']
/** Code that is tested elsewhere, or is no code of ours. */
const apart = /^(?:tests|bench|examples)\//

/**
 * Checks that tests/unit mirrors the tree of the code: the folder of a test is a folder of the code,
 * and a test with the name of a file stands where that file stands.
 *
 * @param files paths from the root
 * @returns one line per offence; empty when there is none
 */
export function findTestTreeProblems(files: readonly string[]): string[] {
  const code = files.filter((file) => /\.[jt]s$/.test(file) && !apart.test(file)).map(closed)
  const folders = new Set(code.map((file) => path.dirname(file)))
  return files
    .filter((file) => file.startsWith(tests) && file.endsWith('.test.ts'))
    .flatMap((file) => {
      const folder = path.dirname(file.slice(tests.length))
      const name = `${path.basename(file, '.test.ts')}.ts`
      const homes = code
        .filter((one) => path.basename(one) === name)
        .map((one) => path.dirname(one))
      if (homes.length > 0 && !homes.includes(folder)) {
        return [`${file} tests ${homes[0]}/${name}, so it stands in ${tests}${homes[0]}`]
      }
      return folders.has(folder) ? [] : [`${file}: the code has no folder ${folder}`]
    })
}

/** The path of a file of code as tests/unit mirrors it. */
function closed(file: string): string {
  const folder = opened.find((one) => file.startsWith(one)) ?? ''
  return file.slice(folder.length)
}
