import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer } from "./support.ts"

interface Group {
  readonly group: string | null
  readonly completed: number
}

describe("flow on the command line", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())

  const answered = async (...argv: ReadonlyArray<string>) => {
    const { code, data, error, stderr } = await json([...place.flags, ...argv])
    assert.deepStrictEqual([code, error, stderr], [0, undefined, ""])
    return data
  }
  const say = async (...argv: ReadonlyArray<string>) => {
    const ran = await cli([...argv, ...place.flags])
    assert.deepStrictEqual([ran.code, ran.stderr], [0, ""], ran.stderr)
    return ran.stdout
  }
  const problem = async (...argv: ReadonlyArray<string>) => {
    const { code, error } = await json([...place.flags, "flow", ...argv])
    return [code, error?._tag]
  }

  it("shows the last seven days, and the ready cards", async () => {
    assert.include(await say("flow"), "No card is ready now.")
    await answered("create", "--id", "a", "--title", "A", "--phase", "build\u202e")
    await answered("create", "--id", "b", "--title", "B")
    await answered("claim", "a", "--owner", "w1")
    await answered("complete", "a", "--token", "2")
    const text = await say("flow", "--by", "phase")
    assert.match(
      text,
      /^From \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ to .*\.\n\nDAY +CREATED +CLAIMED +COMPLETED +FAILED +EXPIRED +LEAD P50/
    )
    assert.match(text, /\ntotal +2 +1 +1 +0 +0 +\S+ +\S+ +\S+ +\S+\n/)
    assert.match(text, /\nReady now: 1 card\. Age: P50 \S+, P90 \S+, P99 \S+\.\n\nPHASE +CREATED/)
    assert.match(text, /\n\(no phase\) +1 +0 +0 +0 +0 +- +- +- +- +1 +\S+\n/)
    assert.notInclude(text, "\u202e")
  })

  it("prints everything as JSON", async () => {
    const flow = await answered("flow", "--bucket", "week", "--by", "owner")
    assert.deepInclude(flow, { bucket: "week", by: "owner", created: 2, completed: 1, omittedGroups: 0 })
    assert.deepStrictEqual(
      flow.groups.map(({ completed, group }: Group) => [group, completed]),
      [
        [null, 0],
        ["w1", 1]
      ]
    )
    const day = await answered("flow", "--from", "2026-01-22", "--to", "2026-01-23", "--bucket", "hour")
    assert.deepStrictEqual([day.buckets.length, day.created], [24, 0])
  })

  it("refuses a wrong range, bucket or grouping with what is accepted", async () => {
    assert.deepStrictEqual(await problem("--from", "yesterday"), [2, "InvalidInput"])
    assert.deepStrictEqual(await problem("--from", "2026-01-23", "--to", "2026-01-22"), [2, "InvalidInput"])
    assert.deepStrictEqual(await problem("--from", "2026-01-01", "--to", "2026-01-22", "--bucket", "minute"), [
      2,
      "InvalidInput"
    ])
    assert.deepStrictEqual((await problem("--from", "2199-01-01"))[1], "MomentNotReached")
    const { code, stderr } = await cli(["flow", "--bucket", "year", ...place.flags])
    assert.strictEqual(code, 2)
    assert.include(stderr, "week")
  })
})
