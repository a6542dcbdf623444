import { assert, describe, it } from "@effect/vitest"
import type { PgliteEngine } from "../../../src/services/pglite/PgliteEngine.ts"
import { TransactionPooler, type PooledClient } from "../../../src/services/pglite/TransactionPooler.ts"
import { type Batch, message, messageType, parseMessages } from "../../../src/services/pglite/wireMessages.ts"

const query = (text: string): Batch => parseMessages(message(messageType.query, text))

/** Records the statements that it runs, and reports whether a transaction is open. */
const makeEngine = () => {
  const statements: Array<string> = []
  let isOpen = false
  const run = (bytes: Uint8Array): Promise<Buffer> => {
    const text = Buffer.from(bytes).toString("latin1")
    if (text.includes("crash")) return Promise.reject(new Error("crashed"))
    if (text.includes("begin")) isOpen = true
    if (/commit|ROLLBACK/.test(text)) isOpen = false
    if (!text.includes("CLOSE ALL")) statements.push(/[\w ]{4,}/.exec(text.slice(5))?.[0] ?? "")
    return Promise.resolve(message(messageType.readyForQuery, Buffer.from(isOpen ? "T" : "I")))
  }
  return { statements, engine: { run } as unknown as PgliteEngine }
}

const makeClient = (disconnect?: () => void): PooledClient => ({
  program: {},
  send: () => undefined,
  onEngineFailure: () => undefined,
  ...(disconnect === undefined ? {} : { disconnect })
})

describe("a transaction pooler", () => {
  it("gives the session to one client until its transaction ends, then to the others in order", async () => {
    const { statements, engine } = makeEngine()
    const pooler = new TransactionPooler(engine, { idleMillis: 60_000, onCrash: () => undefined })
    const [a, b, c] = [makeClient(), makeClient(), makeClient()]
    await pooler.run(a, query("begin a"))
    const others = [pooler.run(b, query("select b")), pooler.run(c, query("select c"))]
    await pooler.run(a, query("update a"))
    await pooler.run(a, query("commit a"))
    await Promise.all(others)
    assert.deepStrictEqual(statements, ["begin a", "update a", "commit a", "select b", "select c"])
  })

  it("disconnects a client that is idle in a transaction, once others wait for the session", async () => {
    const { statements, engine } = makeEngine()
    const pooler = new TransactionPooler(engine, { idleMillis: 20, onCrash: () => undefined })
    let disconnects = 0
    const idle: PooledClient = makeClient(() => {
      disconnects++
      pooler.remove(idle)
    })
    await pooler.run(idle, query("begin idle"))
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.strictEqual(disconnects, 0)
    // The timeout does not start again when more clients wait.
    const others: Array<Promise<void>> = []
    for (let index = 0; index < 500; index++) {
      if (disconnects > 0) break
      others.push(pooler.run(makeClient(), query("select next")))
      await new Promise((resolve) => setTimeout(resolve, 4))
    }
    await Promise.all(others)
    assert.strictEqual(disconnects, 1)
    assert.deepStrictEqual(statements.slice(0, 3), ["begin idle", "mosaic_backlog_gone", "select next"])
  })

  it("does not run the queued batch of a client that has disconnected", async () => {
    const { statements, engine } = makeEngine()
    const pooler = new TransactionPooler(engine, { idleMillis: 60_000, onCrash: () => undefined })
    const [a, b] = [makeClient(), makeClient()]
    await pooler.run(a, query("begin a"))
    const never = pooler.run(b, query("select b")).catch(String)
    pooler.remove(b)
    assert.include(await never, "ended")
    pooler.remove(a)
    await pooler.run(makeClient(), query("select c"))
    assert.deepStrictEqual(statements, ["begin a", "mosaic_backlog_gone", "select c"])
  })

  it("rejects every queued batch when the engine fails", async () => {
    const { engine } = makeEngine()
    const crashes: Array<string> = []
    const pooler = new TransactionPooler(engine, {
      idleMillis: 60_000,
      onCrash: ({ message: why }) => crashes.push(why)
    })
    const outcomes = await Promise.all(
      ["crash", "select a", "select b"].map((text) => pooler.run(makeClient(), query(text)).catch(String))
    )
    assert.deepStrictEqual(
      outcomes,
      Array.from({ length: 3 }, () => "Error: crashed")
    )
    assert.deepStrictEqual(crashes, ["crashed"])
  })
})
