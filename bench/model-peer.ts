import { generateKeyPairSync } from 'node:crypto'
import { startModelServer } from '../dev/functions/model-server.ts'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const server = await startModelServer({
  serviceAccountKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  chunkDelayMs: 0,
})
const { OPENROUTER_BASE_URL: url, OPENROUTER_API_KEY: key } = server.openrouter
process.once('disconnect', () => void server.close())
process.send?.({ url, key })
