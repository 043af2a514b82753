import { writeOpenApi } from './openapi.ts'

// npm run client:openapi
await writeOpenApi()
