import { startMigrated } from './database-steps.ts'
import { writeTypes } from './generated-types.ts'

// npm run db:types
const database = await startMigrated()
try {
  await writeTypes(database.ownerUrl)
} finally {
  await database.close()
}
