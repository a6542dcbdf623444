import { availableParallelism, cpus, totalmem } from "node:os"
import { withConnection } from "./withConnection.mjs"
import { settings } from "./postgres.mjs"

/** Prints progress to standard error, with the time. */
export const progress = () => {
  const began = performance.now()
  return (text) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    process.stderr.write(`${seconds.padStart(5)} s  ${text}\n`)
  }
}

/** Describes the machine. */
export const machine = () =>
  `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown processor"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ` +
  `${process.platform} ${process.arch}, Node ${process.version}`

/** Describes a server's settings, as the server reports them. */
export const describeServer = (url) =>
  withConnection(url, async (client) => {
    const shown = ["server_version", ...Object.keys(settings)]
    const { rows } = await client.query("SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name", [
      shown
    ])
    return `Postgres: ${rows.map(({ name, value }) => `${name} ${value}`).join(", ")}`
  })
