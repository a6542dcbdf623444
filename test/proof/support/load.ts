import { Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/events/SchemaName.ts"
import { type BacklogServices, layerPostgres } from "../../../src/services/layers.ts"
import { makeRandom, type Random } from "../../support/random.ts"
import { report, seed } from "../../support/soak.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { type Acknowledged, checkCommands, type Findings, type LoggedEvent } from "./checkCommands.ts"
import { startWorker, type Worker } from "./workers.ts"

/** A backlog on a server of the test's own, with several processes at work on it. */
export interface Load {
  readonly url: string
  readonly schema: string
  readonly random: Random
  /** Those that live. */
  readonly workers: () => ReadonlyArray<Worker>
  /** Kills a worker and starts another one. */
  readonly replace: (worker: Worker) => Promise<void>
  /** Waits for so many more answers to every worker. */
  readonly answers: (count: number) => Promise<void>
}

export interface LoadOptions {
  /** For the test's own look at the database. */
  readonly url: string
  /** What the workers connect to, if it is something else. */
  readonly workersUrl?: string
  readonly processes?: number
  readonly claimers?: number
  readonly ttlSeconds?: number
}

/** How many commands every worker must have answered, without anybody's help, for work to have gone on after a fault. */
const goesOn = 10

/**
 * Puts processes to work on an empty backlog and injects faults. After that, every process must get answers again by
 * itself, and nothing that was answered may be lost, applied twice or against the rules.
 */
export const underLoad = async (
  { claimers = 3, processes = 2, ttlSeconds = 2, url, workersUrl = url }: LoadOptions,
  inject: (load: Load) => Promise<void>
): Promise<void> => {
  const schema = `faults_${randomBytes(6).toString("hex")}`
  const random = makeRandom(seed)
  const all: Array<Worker> = []
  const living = new Set<Worker>()
  const start = (): Worker => {
    const worker = startWorker({
      url: workersUrl,
      schema,
      name: `w${all.length}`,
      seed: random.below(2 ** 31),
      claimers,
      ttlSeconds
    })
    all.push(worker)
    living.add(worker)
    return worker
  }
  const answers = async (count: number): Promise<void> => {
    await Promise.all(Array.from(living, (worker) => worker.answers(count)))
  }
  try {
    // Where the workers' connections are limited, making the tables may take longer than they may wait.
    if (workersUrl !== url) await look(url, schema, Effect.void)
    await Promise.all(Array.from({ length: processes }, () => start().started()))
    await answers(goesOn)
    await inject({
      url,
      schema,
      random,
      answers,
      workers: () => [...living],
      replace: async (worker) => {
        living.delete(worker)
        await worker.kill()
        await start().started()
      }
    })
    await answers(goesOn)
    await Promise.all(Array.from(living, (worker) => worker.finish()))
  } finally {
    await Promise.all(Array.from(all, (worker) => worker.kill()))
  }
  const log = await look(url, schema, wholeBacklog)
  nothingWrong(
    log,
    all.flatMap(({ acknowledged }) => acknowledged)
  )
}

/** Runs an effect over a client of its own. */
export const look = <A, E>(url: string, schema: string, effect: Effect.Effect<A, E, BacklogServices>): Promise<A> =>
  Effect.runPromise(
    Effect.provide(
      effect,
      Layer.mergeAll(Layer.fresh(layerPostgres({ url, schema, poolSize: 3 })), Layer.succeed(BacklogSchema)(schema))
    )
  )

/** The log of a backlog that is whole, by two verifications that share no code. */
export const wholeBacklog = Effect.tap(verifyBacklog, verifiesItself)

/** Counts and checks what was answered against the log. */
export const nothingWrong = (log: ReadonlyArray<LoggedEvent>, acknowledged: ReadonlyArray<Acknowledged>): void => {
  const findings = checkCommands(log, acknowledged)
  report({
    "acknowledged commands": acknowledged.length,
    "acknowledged commands lost": findings.lost.length,
    "commands applied twice": findings.twice.length,
    "double claims": findings.claims.length
  })
  expect(findings, `seed ${seed}`).toEqual({ lost: [], twice: [], claims: [] } satisfies Findings)
}
