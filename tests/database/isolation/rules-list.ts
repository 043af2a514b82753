/** What is proven of every case; each is the title of a test. */
export const matrixRules = [
  'everyone sees exactly the rows they may',
  'everyone changes exactly the rows they may',
  'what is not granted is refused with 42501',
  'what is allowed succeeds',
  'every refusal is an answer, not a fault',
  'no answer holds a value that its caller may not read',
  'answers are the same whatever the other organization holds',
  'nobody changes a row of another organization',
  'nobody makes a row in the name of another',
  'every row that is written belongs to the organization of its writer',
  'no reference leads out of its tenant',
  'rank rises only by someone who may raise it',
  'whatever clients may do is done once with success',
] as const

/** What the catalog must say of every object. */
export const catalogRules = [
  'every object has an expectation',
  'every expectation has an object',
  'every role holds the grants it should hold',
  'every table has the policies it should have',
  'every table has the triggers it should have, enabled',
  'every reference has a valid foreign key that carries the tenant',
  'every table has row-level security, also for its owner',
  'every view reads as its caller',
  'every function has the executors it should have',
  'every function has the rights it should have',
  "every function has search_path = ''",
  'nobody may create objects',
  'nobody may use a sequence',
] as const

export type MatrixRule = (typeof matrixRules)[number]
export type CatalogRule = (typeof catalogRules)[number]
export type Rule =
  | MatrixRule
  | CatalogRule
  | 'losing access takes effect on the next statement'
  | 'malformed claims see no row and cause no error'
