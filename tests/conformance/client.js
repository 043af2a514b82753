// What the suite starts for each scenario, many at once: it only passes the scenario on to the driver
// (driver.ts), which runs in the process of run.ts. Plain JavaScript, because it starts in no time.
const { MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION, MCP_CONFORMANCE_CONTEXT } =
  process.env
const response = await fetch(process.env.CONFORMANCE_DRIVER, {
  method: 'POST',
  body: JSON.stringify({
    name: MCP_CONFORMANCE_SCENARIO,
    version: MCP_CONFORMANCE_PROTOCOL_VERSION,
    context: JSON.parse(MCP_CONFORMANCE_CONTEXT ?? '{}'),
    endpoint: process.argv[2],
  }),
})
if (!response.ok) {
  console.error(await response.text())
  process.exitCode = 1
}
