import { afterAll, beforeAll, describe, it } from "vitest"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { amount, report } from "../support/soak.ts"
import { eventually, hold } from "./support/holding.ts"
import { faultsTimeout, underLoad } from "./support/load.ts"
import { mountSmallDisk, type SmallDisk } from "./support/smallDisk.ts"

describe("a full disk, under a Postgres server", { timeout: faultsTimeout }, () => {
  let server: PostgresServer | undefined
  let disk: SmallDisk | undefined
  let impossible: string | undefined
  beforeAll(async () => {
    const made = await mountSmallDisk(160)
    if ("impossible" in made) {
      impossible = made.impossible
      return
    }
    disk = made
    server = await startPostgres({
      place: disk.directory,
      walSegmentSize: 1,
      settings: { min_wal_size: "2MB", max_wal_size: "8MB" }
    })
  })
  afterAll(async () => {
    await server?.stop()
    disk?.unmount()
  })

  it("is reported as an error, and commands succeed again when there is space", async (context) => {
    if (server === undefined || disk === undefined) {
      context.skip(`there is no small disk to fill: ${impossible}`)
      return
    }
    const { clear, fill } = disk
    const { start, url } = server
    await underLoad({ url }, async (load) => {
      for (let round = 0; round < amount(1, 4); round++) {
        const before = new Map(load.workers().map((worker) => [worker, worker.unanswered.length]))
        fill(load.random.below(256 * 1024))
        try {
          await eventually(() => load.workers().every((worker) => worker.unanswered.length > (before.get(worker) ?? 0)))
        } finally {
          clear()
        }
        report({ "faults: disk full": 1 })
        // A server that cannot write its log ends, and has to be started again when there is space.
        await eventually(async () => {
          await start()
          return hold(url).then(
            ({ release }) => release().then(() => true),
            () => false
          )
        })
        await load.answers(5)
      }
    })
  })
})
