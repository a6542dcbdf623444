/**
 * Tries the MCP clients and runs both lines of the official conformance suite against the built program. Ends with code 1 if a
 * client fails, if a check fails without a reason in `lib/notApplicable.mjs`, or if a reason there applies to no check.
 *
 *     npm run test:mcp [-- --write]
 *
 * --write   put the tables into docs/mcp-clients.md
 */
import { parseArgs } from "node:util"
import { clients, tryClient } from "./lib/clients.mjs"
import { runConformance } from "./lib/conformance.mjs"
import { newerNode } from "./lib/packages.mjs"
import { startForwarding, startServer } from "./lib/server.mjs"
import { clientTable, conformanceTable, reasonTable, writeTables } from "./lib/tables.mjs"

const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } })

// Ends the server too.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1))

const server = await startServer()
const forwarding = await startForwarding(server.url)
const problems = []
const tried = []
try {
  for (const client of clients) {
    const row = { name: client.name, note: client.note, version: client.version, missing: client.missing }
    tried.push(row)
    if (client.missing !== undefined) continue
    for (const transport of ["pipes", "http"]) {
      try {
        await tryClient(client, server, transport === "http" ? forwarding.url : undefined)
        row[transport] = transport === "http" ? `passed (${forwarding.revision()})` : "passed"
      } catch (error) {
        row[transport] = "failed"
        problems.push(`${client.name} ${client.version}, ${transport}: ${error.stack}`)
      }
    }
  }
  const { missing } = newerNode()
  const conformance = missing === undefined ? await runConformance(forwarding.url, server.directory) : undefined
  problems.push(...(conformance?.problems ?? [`the conformance suites were not run: ${missing}`]))
  const tables = {
    clients: clientTable(tried),
    ...(conformance === undefined
      ? {}
      : { conformance: conformanceTable(conformance.rows), reasons: reasonTable(conformance.byReason) })
  }
  console.log(Object.values(tables).join("\n\n"))
  for (const problem of problems) console.error(`\n${problem}`)
  if (values.write && problems.length === 0) writeTables(tables)
} finally {
  forwarding.stop()
  await server.stop()
}
process.exitCode = problems.length === 0 ? 0 : 1
