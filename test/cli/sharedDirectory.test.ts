import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { BacklogService, layerPglite } from "../../src/index.ts"
import { amount } from "../support/soak.ts"
import { start } from "./program.ts"
import { documentIn, inDirectory, json } from "./support.ts"

/** Starts concurrent processes that each claim a card, and returns the claimed ids. */
const claimAtOnce = async (flags: ReadonlyArray<string>, owner: string, count: number): Promise<Array<string>> => {
  const ended = await Promise.all(
    Array.from(
      { length: count },
      (_, index) => start(["--json", ...flags, "claim", "--owner", `${owner}${index}`]).ended
    )
  )
  assert.deepStrictEqual(
    ended.map(({ code, stderr }) => [code, stderr]),
    ended.map(() => [0, ""])
  )
  return ended.map(({ stdout }) => documentIn(stdout).data.id)
}

describe("one directory and many processes", { timeout: 120_000 }, () => {
  it("concurrent processes never claim the same card, whether the directory is held or not", async () => {
    const place = await inDirectory()
    const cards = Array.from({ length: 40 }, (_, index) => ({ id: `card-${index}`, title: "Do it" }))
    const create = Effect.flatMap(BacklogService, (backlog) => backlog.createMany({ cards, actor: "tester" }))
    await Effect.runPromise(Effect.provide(create, layerPglite({ dataDir: place.directory })))

    const claimed = await claimAtOnce(place.flags, "first", 20)

    const holder = start([...place.flags, "events", "--follow"])
    const claims = (stdout: string) => stdout.split("claimed by ").length - 1
    await holder.says((stdout) => claims(stdout) === 20)
    const more = amount(4, 20)
    claimed.push(...(await claimAtOnce(place.flags, "second", more)))
    // The holder is notified of commits of other processes.
    await holder.says((stdout) => claims(stdout) === 20 + more)
    holder.child.kill("SIGINT")
    assert.strictEqual((await holder.ended).code, 130)

    assert.strictEqual(new Set(claimed).size, 20 + more)
    const { data } = await json([...place.flags, "verify"])
    assert.deepStrictEqual(data.divergences, [])
    await place.remove()
  })
})
