// A program that uses the installed package. scripts/pack-smoke.sh runs it in an empty project.
import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Option } from "effect"
import { BacklogService, layerPglite } from "mosaic-backlog"

const origin = { actor: "smoke" }

const work = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* backlog.create({ id: "design", title: "Design it", ...origin })
  yield* backlog.create({ id: "build", title: "Build it", dependsOn: ["design"], ...origin })
  const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "worker", ...origin }))
  assert.equal(claimed.id, "design")
  const completed = yield* backlog.complete({ id: claimed.id, token: claimed.claimToken, ...origin })
  assert.equal(completed.status, "done")
  assert.deepEqual(completed.madeClaimable, ["build"])
})

const readBack = Effect.gen(function* () {
  const backlog = yield* BacklogService
  assert.equal(Option.getOrThrow(yield* backlog.get("design")).status, "done")
})

await Effect.runPromise(Effect.provide(work, layerPglite()))
console.log("in memory: created, claimed, completed")

const dataDir = await mkdtemp(join(tmpdir(), "backlog-smoke-"))
try {
  await Effect.runPromise(Effect.provide(work, layerPglite({ dataDir })))
  await Effect.runPromise(Effect.provide(readBack, layerPglite({ dataDir })))
  console.log("in a directory: created, claimed, completed, and found again")
} finally {
  await rm(dataDir, { recursive: true, force: true })
}
