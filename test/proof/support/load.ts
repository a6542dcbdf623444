import { Effect, Layer } from "effect"
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { type BacklogServices, layerPostgres } from "../../../src/services/layers.ts"
import { makeRandom, type Random } from "../../support/random.ts"
import { amount, report, seed } from "../../support/soak.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { type Acknowledged, checkCommands, type Findings, type LoggedEvent } from "./checkCommands.ts"
import { findTakenBack, type Observation, observe, type Seen } from "./observers.ts"
import { startWorker, type Worker } from "./workers.ts"

/** A backlog on the test's own server, with several worker processes. */
export interface Load {
  readonly url: string
  readonly schema: string
  readonly random: Random
  /** The workers that run. */
  readonly workers: () => ReadonlyArray<Worker>
  /** Starts another worker, optionally of another build of the program. */
  readonly start: (program?: string) => Worker
  /** Kills a worker and starts another one. */
  readonly replace: (worker: Worker) => Promise<void>
  /** Waits for this many more responses to every worker. */
  readonly answers: (count: number) => Promise<void>
}

export interface LoadOptions {
  /** The test's own connection to the database. */
  readonly url: string
  /** The URL for the workers, if it differs. */
  readonly workersUrl?: string
  readonly processes?: number
  readonly claimers?: number
  readonly ttlSeconds?: number
  /** Another build of the program, which creates the backlog before the workers start. */
  readonly madeBy?: string
}

/** Timeout of a test with faults, in milliseconds. A busy machine starts processes slowly. */
export const faultsTimeout = amount(120_000, 600_000)

/** How many responses every worker must get after a fault, without help. */
const responsesAfterFault = 5

/**
 * Starts worker processes on an empty backlog and injects faults. Afterward every process must get responses again by itself,
 * no acknowledged command may be lost, applied twice or against the rules, and nothing that a reader has seen may be missing or
 * different in the log.
 */
export const underLoad = async (
  { claimers = 3, madeBy, processes = 2, ttlSeconds = 2, url, workersUrl = url }: LoadOptions,
  inject: (load: Load) => Promise<void>
): Promise<void> => {
  const schema = `faults_${randomBytes(6).toString("hex")}`
  const random = makeRandom(seed)
  const all: Array<Worker> = []
  const living = new Set<Worker>()
  const start = (program?: string): Worker => {
    const worker = startWorker({
      url: workersUrl,
      schema,
      name: `w${all.length}`,
      seed: random.below(2 ** 31),
      claimers,
      ttlSeconds,
      ...(program === undefined ? {} : { program })
    })
    all.push(worker)
    living.add(worker)
    return worker
  }
  const answers = async (count: number): Promise<void> => {
    await Promise.all(Array.from(living, (worker) => worker.answers(count)))
  }
  let observation: Observation | undefined
  let seen: Seen | undefined
  try {
    // Where the workers' connections are limited, creating the tables may take longer than their timeout.
    if (madeBy !== undefined) await makeBacklog(url, schema, madeBy)
    else if (workersUrl !== url) await withBacklog(url, schema, Effect.void)
    await Promise.all(Array.from({ length: processes }, () => start().started()))
    await answers(responsesAfterFault)
    observation = observe(url, schema)
    await inject({
      url,
      schema,
      random,
      answers,
      start,
      workers: () => [...living],
      replace: async (worker) => {
        living.delete(worker)
        await worker.kill()
        await start().started()
      }
    })
    await Promise.all([answers(responsesAfterFault), observation.firstEvent])
    await Promise.all(Array.from(living, (worker) => worker.finish()))
  } finally {
    await Promise.all(Array.from(all, (worker) => worker.kill()))
    seen = await observation?.stop()
  }
  const log = await withBacklog(url, schema, wholeBacklog)
  nothingWrong(
    log,
    all.flatMap(({ acknowledged }) => acknowledged)
  )
  if (seen !== undefined) {
    report({ "events seen by readers": seen.events.size })
    expect(findTakenBack(log, seen), `seed ${seed}`).toEqual([])
  }
}

const makeBacklog = async (url: string, schema: string, program: string): Promise<void> => {
  const migrate = fileURLToPath(new URL("migrate.mjs", import.meta.url))
  await promisify(execFile)(process.execPath, [migrate, program, url, schema])
}

/** Runs an effect with its own client. */
export const withBacklog = <A, E>(
  url: string,
  schema: string,
  effect: Effect.Effect<A, E, BacklogServices>
): Promise<A> =>
  Effect.runPromise(
    Effect.provide(
      effect,
      Layer.mergeAll(Layer.fresh(layerPostgres({ url, schema, poolSize: 3 })), Layer.succeed(BacklogSchema)(schema))
    )
  )

/** Reads the log of a backlog, after two verifications that share no code. */
export const wholeBacklog = Effect.tap(verifyBacklog, verifiesItself)

/** Counts the acknowledged commands and checks them against the log. */
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
