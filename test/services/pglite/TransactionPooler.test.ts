import { assert, describe, it } from "@effect/vitest"
import type { PgliteEngine } from "../../../src/services/pglite/PgliteEngine.ts"
import { TransactionPooler, type PooledClient } from "../../../src/services/pglite/TransactionPooler.ts"
import { type Batch, message, MessageParser, messageType } from "../../../src/services/pglite/wireMessages.ts"

const cut = (bytes: Buffer): Batch => new MessageParser({ first: false, largest: () => 1_000 }).push(bytes)
const query = (text: string): Batch => cut(message(messageType.query, text))

/** An engine that says what it is asked, and whether a transaction is open; how the turns use it is all there is to see. */
const makeEngine = () => {
  const asked: Array<string> = []
  let isOpen = false
  const run = (bytes: Uint8Array): Promise<Buffer> => {
    const text = Buffer.from(bytes).toString("latin1")
    if (text.includes("crash")) return Promise.reject(new Error("crashed"))
    if (text.includes("begin")) isOpen = true
    if (/commit|ROLLBACK/.test(text)) isOpen = false
    if (!text.includes("CLOSE ALL")) asked.push(/[\w ]{4,}/.exec(text.slice(5))?.[0] ?? "")
    return Promise.resolve(message(messageType.readyForQuery, Buffer.from(isOpen ? "T" : "I")))
  }
  return { asked, engine: { run } as unknown as PgliteEngine }
}

const taker = (expel?: () => void): PooledClient => ({
  program: {},
  send: () => undefined,
  onEngineFailure: () => undefined,
  ...(expel === undefined ? {} : { disconnect: expel })
})

describe("turns", () => {
  it("last as long as a transaction, and come in order", async () => {
    const { asked, engine } = makeEngine()
    const turns = new TransactionPooler(engine, { idleMillis: 60_000, onCrash: () => undefined })
    const [a, b, c] = [taker(), taker(), taker()]
    await turns.run(a, query("begin a"))
    const others = [turns.run(b, query("select b")), turns.run(c, query("select c"))]
    await turns.run(a, query("update a"))
    await turns.run(a, query("commit a"))
    await Promise.all(others)
    assert.deepStrictEqual(asked, ["begin a", "update a", "commit a", "select b", "select c"])
  })

  it("end for who keeps others waiting and says nothing, and only then", async () => {
    const { asked, engine } = makeEngine()
    const turns = new TransactionPooler(engine, { idleMillis: 20, onCrash: () => undefined })
    let expelled = 0
    const idle: PooledClient = taker(() => {
      expelled++
      turns.remove(idle)
    })
    await turns.run(idle, query("begin idle"))
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.strictEqual(expelled, 0)
    // Others that come do not make it longer.
    const others: Array<Promise<void>> = []
    for (let index = 0; index < 500; index++) {
      if (expelled > 0) break
      others.push(turns.run(taker(), query("select next")))
      await new Promise((resolve) => setTimeout(resolve, 4))
    }
    await Promise.all(others)
    assert.strictEqual(expelled, 1)
    assert.deepStrictEqual(asked.slice(0, 3), ["begin idle", "mosaic_backlog_gone", "select next"])
  })

  it("never come for what ended while it waited", async () => {
    const { asked, engine } = makeEngine()
    const turns = new TransactionPooler(engine, { idleMillis: 60_000, onCrash: () => undefined })
    const [a, b] = [taker(), taker()]
    await turns.run(a, query("begin a"))
    const never = turns.run(b, query("select b")).catch(String)
    turns.remove(b)
    assert.include(await never, "ended")
    turns.remove(a)
    await turns.run(taker(), query("select c"))
    assert.deepStrictEqual(asked, ["begin a", "mosaic_backlog_gone", "select c"])
  })

  it("end for all when the engine does", async () => {
    const { engine } = makeEngine()
    const crashes: Array<string> = []
    const turns = new TransactionPooler(engine, {
      idleMillis: 60_000,
      onCrash: ({ message: why }) => crashes.push(why)
    })
    const outcomes = await Promise.all(
      ["crash", "select a", "select b"].map((text) => turns.run(taker(), query(text)).catch(String))
    )
    assert.deepStrictEqual(
      outcomes,
      Array.from({ length: 3 }, () => "Error: crashed")
    )
    assert.deepStrictEqual(crashes, ["crashed"])
  })
})
