import { Effect, Layer } from "effect"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { lockFileName } from "../../src/services/pglite/lockFiles.ts"
import { layerPglite } from "../../src/services/layers.ts"
import { start as startProgram } from "../cli/program.ts"
import { documentIn, inDirectory } from "../cli/support.ts"
import { makeRandom } from "../support/random.ts"
import { amount, report, seed } from "../support/soak.ts"
import { type Acknowledged, checkCommands } from "./support/checkCommands.ts"
import { faultsTimeout, nothingWrong, wholeBacklog } from "./support/load.ts"
import { startWorker, type Worker } from "./support/workers.ts"

describe("processes that end, on an embedded database", { timeout: faultsTimeout }, () => {
  const random = makeRandom(seed)
  const workers: Array<Worker> = []
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "backlog-faults-"))
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

  /** Waits until a worker has opened the directory, and checks the log that it found. */
  const opened = async (worker: Worker): Promise<void> => {
    const before = acknowledged()
    await worker.started()
    const found = worker.found()
    expect(found?.divergences).toBe(0)
    expect(checkCommands(found?.log ?? [], before), `seed ${seed}`).toEqual({ lost: [], twice: [], claims: [] })
  }

  it("are killed at random moments, and the next process opens the directory", async () => {
    const rounds = amount(1, 20)
    for (let round = 0; round < rounds; round++) {
      const worker = start()
      if (round > 0 && random.below(5) === 0) {
        // While it opens the directory, which takes about that long.
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

  it("continue without the holder when it is killed, and without an error when it ends", async () => {
    const first = start()
    await opened(first)
    const second = start()
    await opened(second)
    await Promise.all([first.answers(20), second.answers(20)])
    await first.kill()
    await second.answers(20)
    report({ "faults: embedded database's holder killed next to another": 1 })
    const third = start()
    await opened(third)
    await Promise.all([second.finish(), third.answers(20)])
    await third.answers(20)
    expect(third.unanswered).toEqual([])
    await third.finish()

    nothingWrong(await logIn(directory), acknowledged())
  })
})

/** Reads the log of a directory, and checks that it is complete. */
const logIn = (dataDir: string) =>
  Effect.runPromise(
    Effect.provide(
      wholeBacklog,
      Layer.mergeAll(Layer.fresh(layerPglite({ dataDir })), Layer.succeed(BacklogSchema)("backlog"))
    )
  )

describe("processes that claim at the same time from one directory", { timeout: faultsTimeout }, () => {
  const claimers = amount(4, 20)
  const rounds = amount(1, 5)
  const kills = amount(1, 3)

  it("claim a different card each while the holder is killed, or fail and claim it with a retry", async () => {
    const random = makeRandom(seed)
    const { directory, flags, remove } = await inDirectory()
    const acknowledged: Array<Acknowledged> = []
    const troubles: Array<string> = []
    const running = new Map<number, ReturnType<typeof startProgram>>()
    const run = (argv: ReadonlyArray<string>) => {
      const program = startProgram(["--json", ...flags, ...argv])
      const { pid = -1 } = program.child
      running.set(pid, program)
      const ended = program.ended.finally(() => running.delete(pid))
      return { ...program, ended }
    }

    const claim = async (owner: string): Promise<void> => {
      for (let unknown = 0; ; unknown++) {
        const { code, stderr, stdout } = await run(["claim", "--owner", owner, "--command-id", owner]).ended
        if (code === 0) {
          const { claimToken: token, id: card, version } = documentIn(stdout).data
          acknowledged.push({ id: owner, op: "claim", unknown, card, version, token })
          return
        }
        if (code === "SIGKILL") continue
        // The process was served by the one that was killed. A process that waited for the directory acquires it.
        const { _tag, message } = documentIn(stdout).error
        expect([code, stderr, _tag, message]).toEqual([
          6,
          "",
          "DatabaseUnavailable",
          expect.stringMatching(/ is not available: ./)
        ])
        troubles.push(message)
      }
    }

    /** Kills the process that holds the directory, by the id in the lock file. */
    const killHolder = async (): Promise<number> => {
      for (;;) {
        const files = (await readdir(directory)).filter((name) => name.startsWith(lockFileName))
        const texts = await Promise.all(files.map((name) => readFile(join(directory, name), "utf8").catch(() => "")))
        const pids = texts.flatMap((text) => /"pid":(\d+)/.exec(text)?.[1] ?? [])
        const holders = pids.flatMap((pid) => running.get(Number(pid)) ?? [])
        for (const holder of holders) holder.child.kill("SIGKILL")
        if (holders.length > 0 || running.size === 0) return holders.length
        await setTimeout(1)
      }
    }

    for (let round = 0; round < rounds; round++) {
      const holder = run(["serve", "--port", "0"])
      let output = ""
      await holder.says((stdout) => {
        output = stdout
        return stdout.endsWith("\n")
      })
      const cards = Array.from({ length: claimers }, (_, index) => ({ id: `card-${round}-${index}`, title: "Do it" }))
      const made = await fetch(`${documentIn(output).data.url}/create-many`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ cards, actor: "maker" })
      })
      expect(made.status).toBe(200)

      const before = acknowledged.length
      const claims = cards.map((_, index) => claim(`claimer-${round}-${index}`))
      const all = Promise.all(claims)
      for (let kill = 0; kill < kills; kill++) {
        const enough = before + Math.floor(((kill + random.next()) * claimers) / kills)
        await Promise.race([all, until(() => acknowledged.length >= enough)])
        await setTimeout(random.below(20))
        report({ "faults: embedded database's holder killed while others claim": await killHolder() })
      }
      await all
      expect((await holder.ended).code).toBe("SIGKILL")
    }

    nothingWrong(await logIn(directory), acknowledged)
    expect(new Set(acknowledged.map(({ card }) => card)).size).toBe(rounds * claimers)
    report({ "faults: claims sent again after that": troubles.length })
    await remove()
  })
})

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await setTimeout(5)
}
