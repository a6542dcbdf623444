/** The baseline: hand-written SQL, one round trip for each command. See handWritten.sql. */
import { readFileSync } from "node:fs"
import { Pool } from "pg"
import { withConnection } from "../withConnection.mjs"
import { workInLoops } from "../meter.mjs"
import { names } from "../systemNames.mjs"
import { connectionTo, dropSchema, settle } from "../schemas.mjs"

export const name = names.handWritten

const cardsAtOnce = 1000

export const fill = async (context, { schema }, cards) => {
  await dropSchema(context.url, schema)
  await withConnection(context.url, async (client) => {
    await client.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema}`)
    await client.query(readFileSync(new URL("handWritten.sql", import.meta.url), "utf8"))
    let some = []
    const insert = async () => {
      await client.query("SELECT fill($1)", [JSON.stringify(some)])
      some = []
    }
    for (const card of cards) if (some.push(card) === cardsAtOnce) await insert()
    if (some.length > 0) await insert()
  })
  await settle(context.url, schema)
}

export const remove = (context, { schema }) => dropSchema(context.url, schema)

/** Without generic plans, each call plans the statements in its function again. */
const connectionOf = (context, schema) => {
  const connection = connectionTo(context.url, schema)
  return { ...connection, options: `${connection.options} -c plan_cache_mode=force_generic_plan` }
}

const claim = { name: "claim", text: "SELECT * FROM claim($1, $2)" }
const complete = { name: "complete", text: "SELECT complete($1, $2, $3) AS count" }

export const work = async (context, { schema }, { batch = 1, makeMeter, ready, workers }) => {
  const pool = new Pool({ ...connectionOf(context, schema), max: workers })
  await ready()
  const meter = makeMeter()
  await workInLoops(workers, meter, async (worker) => {
    const owner = `worker-${worker}`
    const { rows: cards } = await pool.query({ ...claim, values: [batch, owner] })
    if (cards.length === 0) return 0
    const ids = cards.map((card) => card.card_id)
    const tokens = cards.map((card) => card.token)
    const { rows } = await pool.query({ ...complete, values: [ids, tokens, owner] })
    if (rows[0].count !== cards.length) throw new Error("a claim was lost")
    return cards.length
  })
  await pool.end()
  return meter.result()
}
