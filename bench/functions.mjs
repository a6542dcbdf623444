/**
 * Measures the functions that carry out commands, in one session and without waiting for flushes: a claim and its completion, each in
 * a transaction of its own. Compares the versions of the functions that are in the schema: see docs/decisions/0061-fewer-expressions.md.
 *
 *     node bench/functions.mjs
 */
import { mkdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { plainCards } from "./lib/population.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { median } from "./lib/statistics.mjs"
import { fill } from "./lib/systems/mosaic.mjs"
import { makeTemporaryDirectory } from "./lib/temporaryDirectory.mjs"
import { withConnection } from "./lib/withConnection.mjs"

const schema = "bench_functions"
const cards = 40_000
const pairs = 2_000
const repetitions = 3
const parts = ["load for a claim", "append a claim", "load for a completion", "append a completion"]

/** The arguments of the functions in each version, in which a later one has more. */
const versions = {
  3: { single: "", firstCard: '\'\\[\\["([^"]*)"\'', loaded: "(%).cards" },
  4: { single: "true, false, ", firstCard: '\'"id":"([^"]*)"\'', loaded: "%" }
}

/** A procedure that claims and completes cards, and reports how long each call took on average, in microseconds. */
const procedure = (version) => {
  const { firstCard, loaded, single } = versions[version]
  const load = `${schema}.lock_and_load_v${version}`
  const append = (
    event,
    data,
    state,
    counted,
    firstExpiry
  ) => `PERFORM ${schema}.append_and_project_v${version}(${event}, ${data},
    NULL, NULL, false, 0, NULL, NULL, ${state}, NULL, NULL, NULL, NULL, NULL, ${counted}, NULL, ${firstExpiry}, NULL, NULL, false, ${single}NULL);`
  const timed = (index, statement) => `began := clock_timestamp();
    ${statement}
    times[${index}] := times[${index}] + extract(epoch FROM clock_timestamp() - began) * 1e6;`
  const commit = "PERFORM set_config('synchronous_commit', 'off', true); COMMIT;"
  const iso = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`
  return `CREATE OR REPLACE PROCEDURE ${schema}.measure_v${version}(INOUT times double precision[]) LANGUAGE plpgsql AS $$
DECLARE
  found text; card text; began timestamptz; moment text; expiry text;
BEGIN
  FOR i IN 1..${pairs} LOOP
    ${timed(1, `found := ${loaded.replace("%", `${load}(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, true, NULL, NULL, '15000', NULL)`)};`)}
    card := substring(found FROM ${firstCard});
    moment := to_char(began AT TIME ZONE 'UTC', ${iso});
    expiry := to_char((began + interval '15 min') AT TIME ZONE 'UTC', ${iso});
    ${timed(
      2,
      append(
        "format('(%s,2,CardClaimed,2,bench,,,,%s)', card, moment)",
        `format('{"expiresAt":"%s","generation":0,"owner":"worker-0","ttlSeconds":900}', expiry)`,
        "format('(%s,claimed,0,,false,1,%s,,2,0,worker-0,900,%s,%s,0,2,,)', card, moment, moment, expiry)",
        "'(-1,0,1,0,0)'",
        "expiry::timestamptz"
      )
    )}
    ${commit}
    ${timed(3, `PERFORM ${load}('shared', ARRAY[card], NULL, ARRAY[card], NULL, NULL, ARRAY[card], NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, '15000', NULL);`)}
    moment := to_char(began AT TIME ZONE 'UTC', ${iso});
    ${timed(
      4,
      append(
        "format('(%s,3,CardCompleted,1,bench,,,,%s)', card, moment)",
        `'{"claim":{"owner":"worker-0","token":2},"forced":false,"overrode":[],"result":null}'`,
        "format('(%s,done,0,,false,1,%s,%s,3,0,,,,,0,,,)', card, moment, moment)",
        "'(0,0,-1,0,1)'",
        "NULL"
      )
    )}
    ${commit}
  END LOOP;
  times := ARRAY(SELECT time / ${pairs} FROM unnest(times) AS time);
END $$`
}

const directory = makeTemporaryDirectory("functions-")
mkdirSync(join(directory, "server"))
const server = await startPostgres(join(directory, "server"))
try {
  await fill(
    { directory, url: server.url, port: server.port, build: new URL("../dist", import.meta.url).pathname },
    { database: "postgres", schema },
    plainCards(cards)
  )
  await withConnection(server.url, async (client) => {
    const all = {}
    for (const version of Object.keys(versions)) await client.query(procedure(version))
    for (let repetition = 0; repetition < repetitions; repetition++) {
      for (const version of Object.keys(versions)) {
        const { rows } = await client.query(`CALL ${schema}.measure_v${version}('{0,0,0,0}')`)
        ;(all[version] ??= []).push(rows[0].times)
      }
    }
    for (const [index, part] of parts.entries()) {
      const figures = Object.entries(all).map(
        ([version, times]) => `version ${version}: ${median(times.map((each) => each[index])).toFixed(0)} µs`
      )
      process.stdout.write(`${part}: ${figures.join(", ")}\n`)
    }
  })
} finally {
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
}
