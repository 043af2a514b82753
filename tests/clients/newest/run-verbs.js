// Uses the newest clients, one after the other, for the test that forked this process. The drivers
// are those of the project's own clients: Node 24 takes their types off.
import { drivers } from '../matrix/drivers.ts'
import { useClient } from '../matrix/use-client.ts'
import { mastra } from './mastra.js'

process.on('message', (use) => {
  useClient([...drivers, ...mastra], use).then(
    (answer) => process.send({ answer }),
    (error) => process.send({ error: error.stack }),
  )
})
process.send({})
