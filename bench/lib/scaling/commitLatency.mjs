import { withConnection } from "../withConnection.mjs"
import { median } from "../statistics.mjs"

const commits = 100

/** How much longer a trivial transaction takes with a durable commit: medians, in milliseconds. */
export const commitLatency = (url) =>
  withConnection(url, async (client) => {
    await client.query("CREATE TABLE IF NOT EXISTS bench_commits AS SELECT 1 AS id, 0 AS number")
    const timesOf = async (setting) => {
      await client.query(`SET synchronous_commit = ${setting}`)
      const times = []
      for (let commit = 0; commit < commits; commit++) {
        const started = performance.now()
        await client.query("UPDATE bench_commits SET number = number + 1")
        times.push(performance.now() - started)
      }
      return median(times)
    }
    await timesOf("on")
    const [durable, other] = [await timesOf("on"), await timesOf("off")]
    await client.query("DROP TABLE bench_commits")
    return Number((durable - other).toPrecision(3))
  })

/** Changes a server setting for all new connections. */
export const set = (url, settings) =>
  withConnection(url, async (client) => {
    for (const [name, value] of Object.entries(settings)) await client.query(`ALTER SYSTEM SET ${name} = '${value}'`)
    const { rows } = await client.query("SELECT pg_conf_load_time() AS time")
    await client.query("SELECT pg_reload_conf()")
    for (;;) {
      const { rows: now } = await client.query("SELECT pg_conf_load_time() AS time")
      if (now[0].time > rows[0].time) return
    }
  })
