import { compareDumps } from '../dev/check/catalog-dump.ts'

/** Lines of a dump that a project has of its own, also where the migrations have some too. */
const foreign =
  /^(extension |default privileges |publication |event trigger |sequence |schema (public|extensions) |(relation|column|constraint|type|policy) extensions\.)/
/** Schemas that hold our objects only. */
const closed = /^\w+ (private|client_mgmt|conversation)\b/

/** The relation that a line is about. */
const relationOf = (line: string): string | undefined =>
  /^(?:relation|column|constraint|policy) (\w+\.\w+)/.exec(line)?.[1] ??
  /^(?:index|trigger) .*? ON (?:ONLY )?(\w+\.\w+)/.exec(line)?.[1]

const isOfAuth = (line: string): boolean => relationOf(line)?.startsWith('auth.') === true
const functionOf = (line: string): string | undefined => /^function .*? owner /.exec(line)?.[0]

/**
 * What differs between the objects that the migrations make and those of a project: `- ` lines are missing,
 * `+ ` lines are there instead or besides. The project's own objects count where they stand in a schema of
 * ours, and what it has put on a relation of ours, but for an index.
 *
 * @param expected dumpObjects() of a database that the migrations alone have made
 * @param actual of the project
 */
export function compareObjects(expected: readonly string[], actual: readonly string[]): string[] {
  const made = new Set(
    expected.filter(
      (line) =>
        !foreign.test(line) && (!isOfAuth(line) || line.includes(' EXECUTE FUNCTION private.')),
    ),
  )
  const relations = new Set([...made].filter((line) => !isOfAuth(line)).map(relationOf))
  const functions = new Set([...made].map(functionOf))
  const isOurs = (line: string): boolean => {
    const ofFunction = functionOf(line)
    if (ofFunction !== undefined) return functions.has(ofFunction) || closed.test(line)
    if (closed.test(line)) return true
    const relation = relationOf(line)
    return relation !== undefined && !line.startsWith('index ') && relations.has(relation)
  }
  return compareDumps(
    [...made],
    actual.filter((line) => !foreign.test(line) && (made.has(line) || isOurs(line))),
  )
}
