/** The usual design: one table, a status column that is overwritten, dependencies as a JSON array, no history. */
import { Pool } from "pg"
import { withConnection } from "../withConnection.mjs"
import { workInLoops } from "../meter.mjs"
import { names } from "../systemNames.mjs"
import { connectionTo, dropSchema, settle } from "../schemas.mjs"

export const name = names.mutableTable

const tables = `
  CREATE TABLE cards (
    id           text PRIMARY KEY,
    title        text NOT NULL,
    priority     integer NOT NULL DEFAULT 0,
    status       text NOT NULL DEFAULT 'ready',
    dependencies jsonb NOT NULL DEFAULT '[]',
    owner        text,
    expires_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX cards_by_status ON cards (status, priority DESC, created_at);`

const claim = {
  name: "claim",
  text: `
    UPDATE cards SET status = 'claimed', owner = $1, expires_at = now() + interval '15 minutes', updated_at = now()
    WHERE id = (
      SELECT id FROM cards AS card
      WHERE status = 'ready' AND NOT EXISTS (
        SELECT FROM jsonb_array_elements_text(card.dependencies) AS dep
        WHERE dep NOT IN (SELECT id FROM cards WHERE status = 'done'))
      ORDER BY priority DESC, created_at
      LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id`
}

const complete = {
  name: "complete",
  text: `
    UPDATE cards SET status = 'done', owner = NULL, expires_at = NULL, updated_at = now()
    WHERE id = $1 AND status = 'claimed' AND owner = $2`
}

const release = {
  name: "release",
  text: `
    UPDATE cards SET status = 'ready', owner = NULL, expires_at = NULL, updated_at = now()
    WHERE id = $1 AND status = 'claimed' AND owner = $2`
}

export const fill = async (context, { schema }, cards) => {
  await dropSchema(context.url, schema)
  await withConnection(context.url, async (client) => {
    await client.query(`CREATE SCHEMA ${schema}; SET search_path = ${schema}; ${tables}`)
    let some = []
    const insert = async () => {
      await client.query(
        `INSERT INTO cards (id, title, priority, status, dependencies)
         SELECT id, title, coalesce(priority, 0), coalesce(status, 'ready'), coalesce("dependsOn", '[]')
         FROM jsonb_to_recordset($1) AS card (id text, title text, priority int, status text, "dependsOn" jsonb)`,
        [JSON.stringify(some)]
      )
      some = []
    }
    for (const card of cards) if (some.push(card) === 10_000) await insert()
    if (some.length > 0) await insert()
  })
  await settle(context.url, schema)
}

export const remove = (context, { schema }) => dropSchema(context.url, schema)

const withPool = async (context, { schema }, connections, use) => {
  const pool = new Pool({ ...connectionTo(context.url, schema), max: connections })
  try {
    return await use(pool)
  } finally {
    await pool.end()
  }
}

const claimOne = async (pool, owner) => (await pool.query({ ...claim, values: [owner] })).rows[0]?.id

export const work = (context, place, { makeMeter, ready, workers }) =>
  withPool(context, place, workers, async (pool) => {
    await ready()
    const meter = makeMeter()
    await workInLoops(workers, meter, async (worker) => {
      const owner = `worker-${worker}`
      const id = await claimOne(pool, owner)
      if (id === undefined) return 0
      await pool.query({ ...complete, values: [id, owner] })
      return 1
    })
    return meter.result()
  })

/** Uses a function that claims, after `before` claims that are reverted, and reverts its claims. */
export const claiming = (context, place, before, use) =>
  withPool(context, place, 1, async (pool) => {
    const put = (id) => pool.query({ ...release, values: [id, "bench"] })
    const take = async () => {
      const id = await claimOne(pool, "bench")
      if (id === undefined) throw new Error("nothing was claimable")
      return id
    }
    for (let number = 0; number < before; number++) await put(await take())
    const claimed = []
    await use(async () => claimed.push(await take()))
    for (const id of claimed) await put(id)
  })
