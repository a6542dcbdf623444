import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { BacklogService, BacklogTestClock, layerPglite } from "../../src/index.ts"
import { copyTemplate, layerTestFrom, makeTemplate } from "../../src/testing/index.ts"
import { temporaryDirectory } from "../support/childProcess.ts"

const create = (id: string) =>
  Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: id, actor: "test" }))

const ids = Effect.gen(function* () {
  const cards = yield* (yield* BacklogService).list()
  return cards.map(({ id }) => id).toSorted()
})

const systemIdentifier = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly id: string }>`SELECT system_identifier::text AS id FROM pg_control_system()`
  return row?.id
})

describe("a template that a test makes", () => {
  it.live("is copied with its cards, its tables, its schema and its time, and copies do not affect each other", () =>
    Effect.gen(function* () {
      const template = yield* makeTemplate(
        Effect.gen(function* () {
          yield* create("shared")
          yield* (yield* SqlClient.SqlClient)`CREATE TABLE notes (note text)`
          yield* (yield* BacklogTestClock).advance("1 day")
          yield* (yield* BacklogService).claim({ owner: "worker", ttlSeconds: 60, actor: "worker" })
        }),
        { schema: "work" }
      )
      assert.strictEqual(template.schema, "work")
      const copy = (id: string) =>
        Effect.gen(function* () {
          assert.strictEqual(DateTime.formatIso(yield* (yield* BacklogTestClock).now), "2026-01-02T00:00:00.000Z")
          const sql = yield* SqlClient.SqlClient
          assert.deepStrictEqual(yield* sql`SELECT note FROM notes`, [])
          yield* sql`INSERT INTO notes VALUES (${id})`
          yield* create(id)
          assert.strictEqual(Option.getOrThrow(yield* (yield* BacklogService).get("shared")).claimOwner, "worker")
          return { ids: yield* ids, system: yield* systemIdentifier }
        })
      const one = yield* Effect.provide(copy("one"), layerTestFrom(template))
      const two = yield* Effect.provide(copy("two"), layerTestFrom(template))
      assert.deepStrictEqual(
        [one.ids, two.ids],
        [
          ["one", "shared"],
          ["shared", "two"]
        ]
      )
      assert.notStrictEqual(one.system, two.system)
    })
  )

  it.live("is copied to directories, which programs open", () =>
    Effect.gen(function* () {
      const template = yield* makeTemplate(create("shared"))
      const parent = yield* temporaryDirectory
      const systems: Array<string | undefined> = []
      for (const name of ["one", join("two", "below")]) {
        const directory = join(parent, name)
        yield* copyTemplate(template, directory)
        assert.deepStrictEqual(readdirSync(directory), ["pgdata"])
        const layer = Layer.fresh(layerPglite({ dataDir: directory, opening: "existing" }))
        yield* Effect.gen(function* () {
          assert.deepStrictEqual(yield* ids, ["shared"])
          systems.push(yield* systemIdentifier)
        }).pipe(Effect.provide(layer))
      }
      assert.strictEqual(new Set(systems).size, 2)
    })
  )
})
