import { Effect, Layer } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BacklogSchema } from "../../src/events/SchemaName.ts"
import { layerPglite } from "../../src/services/layers.ts"
import { copyEmptyDatabase } from "../support/pgliteTemplates.ts"
import { makeRandom } from "../support/random.ts"
import { amount, report, seed } from "../support/soak.ts"
import { checkCommands } from "./support/checkCommands.ts"
import { faultsTimeout, nothingWrong, wholeBacklog } from "./support/load.ts"
import { startWorker, type Worker } from "./support/workers.ts"

describe("processes that end, on an embedded database", { timeout: faultsTimeout }, () => {
  const random = makeRandom(seed)
  const workers: Array<Worker> = []
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "backlog-faults-"))
    await copyEmptyDatabase(directory)
  })
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.kill()))
    await rm(directory, { recursive: true, force: true })
  })

  const start = (): Worker => {
    const worker = startWorker({
      dataDir: directory,
      name: `w${workers.length}`,
      seed: random.below(2 ** 31),
      claimers: 3,
      ttlSeconds: 1
    })
    workers.push(worker)
    return worker
  }

  const acknowledged = () => workers.flatMap((worker) => worker.acknowledged)

  /** Waits until a worker has opened the directory, and checks what it found there. */
  const opened = async (worker: Worker): Promise<void> => {
    const before = acknowledged()
    await worker.started()
    const found = worker.found()
    expect(found?.divergences).toBe(0)
    expect(checkCommands(found?.log ?? [], before), `seed ${seed}`).toEqual({ lost: [], twice: [], claims: [] })
  }

  it("are killed at random moments, and the next opens what they left", async () => {
    const rounds = amount(1, 20)
    for (let round = 0; round < rounds; round++) {
      const worker = start()
      if (round > 0 && random.below(5) === 0) {
        // While it opens the directory, which takes about as long.
        await setTimeout(random.below(1_500))
      } else {
        await opened(worker)
        await worker.answers(1 + random.below(60))
        await setTimeout(random.below(20))
      }
      await worker.kill()
      report({ "faults: embedded database killed": 1 })
    }
  })

  it("work together, one through the other: when that is killed it goes on by itself, and when that ends it sees nothing of it", async () => {
    const first = start()
    await opened(first)
    const second = start()
    await opened(second)
    await Promise.all([first.answers(20), second.answers(20)])
    await first.kill()
    await second.answers(20)
    report({ "faults: embedded database's holder killed beside another": 1 })
    const third = start()
    await opened(third)
    await Promise.all([second.finish(), third.answers(20)])
    await third.answers(20)
    expect(third.unanswered).toEqual([])
    await third.finish()

    const look = Layer.mergeAll(
      Layer.fresh(layerPglite({ dataDir: directory })),
      Layer.succeed(BacklogSchema)("backlog")
    )
    nothingWrong(await Effect.runPromise(Effect.provide(wholeBacklog, look)), acknowledged())
  })
})
