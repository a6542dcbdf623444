import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { start } from "./program.ts"
import { cli, inDirectory, onServer, type Place } from "./support.ts"

const create = async (place: Place, id: string) => {
  assert.strictEqual((await cli([...place.flags, "create", "--id", id, "--title", id])).code, 0)
}

describe("followed events", () => {
  const place = onServer()
  beforeAll(async () => {
    await create(place, "a")
    await create(place, "b")
  })
  afterAll(() => place.remove())

  it("events --follow --json prints a document for each new event until it is interrupted", async () => {
    const follower = start([...place.flags, "events", "--follow", "--json", "--after", "1"])
    await follower.says((stdout) => stdout.includes('"cardId":"b"'))
    await create(place, "c")
    await follower.says((stdout) => stdout.includes('"cardId":"c"'))
    await create(place, "d")
    await follower.says((stdout) => stdout.includes('"cardId":"d"'))
    follower.child.kill("SIGINT")
    const { code, stderr, stdout } = await follower.ended
    assert.deepStrictEqual([code, stderr], [130, ""])
    const documents = stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line))
    assert.deepStrictEqual(
      documents.map(({ data, schemaVersion }) => [schemaVersion, data.position, data.cardId]),
      [
        [1, 2, "b"],
        [1, 3, "c"],
        [1, 4, "d"]
      ]
    )
  })

  it("events --follow prints the lines of one table", async () => {
    const follower = start([...place.flags, "events", "--follow", "--type", "CardCreated"])
    await follower.says((stdout) => stdout.includes("0: a\n"))
    await create(place, "e")
    await follower.says((stdout) => stdout.includes("0: e\n"))
    follower.child.kill("SIGTERM")
    const { code, stderr, stdout } = await follower.ended
    assert.deepStrictEqual([code, stderr], [130, ""])
    assert.strictEqual(stdout.split("POSITION").length, 2)
  })

  it("events --follow ends when its reader closes the pipe", async () => {
    const follower = start([...place.flags, "events", "--follow"])
    await follower.says((stdout) => stdout.includes("0: a\n"))
    follower.child.stdout.destroy()
    await create(place, "f")
    assert.deepInclude(await follower.ended, { code: 141, stderr: "" })
  })
})

describe("followed events of a directory", () => {
  it("an interrupt releases the directory", async () => {
    const place = await inDirectory()
    await create(place, "a")
    const follower = start([...place.flags, "events", "--follow"])
    await follower.says((stdout) => stdout.includes("0: a\n"))
    follower.child.kill("SIGINT")
    assert.deepInclude(await follower.ended, { code: 130, stderr: "" })
    const { code, stdout } = await cli([...place.flags, "verify"])
    assert.deepStrictEqual([code, stdout.includes("Checked 1 event, 1 card, 0 dependencies.")], [0, true])
    await place.remove()
  })
})
