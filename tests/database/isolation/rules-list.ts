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

/** What the systems before this one got wrong, beside what the matrix covers. */
export const invariantRules = [
  'a token that can still be refreshed survives the clean-up',
  'a wrong key is an error, never null',
  'a metric counts failures too',
  'an audit chain shows an edit, a deletion, a forged actor and a cut tail',
  'a change that matters is on the audit log, with its actor',
  'whatever changes has a new updated_at',
  'an invitation serves once, in time, and the person it names',
  'a grant ends with its time and with its administrator',
  'an organization keeps an owner',
] as const

/** What the catalog must say of every object. */
export const catalogRules = [
  'every object has an expectation',
  'every expectation has an object',
  'every role holds the grants it should hold',
  'every table has the policies it should have',
  'every policy is closed to guests, except those of their own conversations',
  'an update’s policy asks the same of the row before and after',
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
export type InvariantRule = (typeof invariantRules)[number]
export type CatalogRule = (typeof catalogRules)[number]
export type Rule =
  | MatrixRule
  | CatalogRule
  | InvariantRule
  | 'losing access takes effect on the next statement'
  | 'malformed claims see no row and cause no error'
