import { Cause, Effect, Exit, Fiber, ManagedRuntime, Stream } from "effect"
import { SqlError } from "effect/sql"
import { randomInt } from "node:crypto"
import { appendFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { exitCodes } from "../../../src/cli/exitCodes.ts"
import { layerHttp } from "../../../src/http/index.ts"
import { AuditService, type BacklogService, type Card } from "../../../src/index.ts"
import { Worker, type WorkerEvent } from "../../../src/worker/index.ts"
import { start } from "../../cli/program.ts"
import { framesOf } from "../../http/support/serverSentEvents.ts"
import type { Random } from "../../support/random.ts"
import { amount } from "../../support/soak.ts"
import type { Acknowledged } from "./checkCommands.ts"

/** What a follower received of an event. */
export interface ReceivedEvent {
  readonly position: number
  readonly cardId: string
  readonly version: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

/** A follower receives every event, and continues by itself when its connection breaks. */
export interface Follower {
  readonly name: string
  readonly received: ReadonlyArray<ReceivedEvent>
  /** How often it has restarted. */
  readonly resumed: () => number
  /** Why it ended by itself, once it has. */
  readonly broken: Promise<unknown>
  readonly end: () => Promise<void>
}

/** A worker that works on cards. */
export interface LoadWorker {
  readonly name: string
  /** How often it retried because the backlog was unavailable. */
  readonly retries: () => number
  /** Cards whose completion was confirmed to it. */
  readonly completed: () => ReadonlyArray<string>
  /** Why it ended by itself, once it has. */
  readonly broken: Promise<unknown>
  readonly end: () => Promise<void>
}

/** A process that serves a backlog, always on the same port. */
export interface Serving {
  readonly url: string
  /** Stops it as an operator would, and waits for its end. */
  readonly end: () => Promise<void>
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

/** Delay before a retry. */
const pauseMillis = 50

/** Maximum time of a card in milliseconds. Where many workers share a machine, cards must not take all of its time. */
const longestWork = amount(30, 1_500)

/** Length of leases: after this time a card whose claim response was lost is claimable again. */
const ttlSeconds = amount(3, 15)

/** The part of a completion that names its claim. */
export const resultOf = (cardId: string, owner: unknown, token: unknown): string =>
  `${cardId} ${String(owner)} ${String(token)}`

/** Starts `backlog serve` on a port that it gets again after a restart. */
export const startServing = async (flags: ReadonlyArray<string>): Promise<Serving> => {
  const launch = async (port: number) => {
    const program = start([...flags, "serve", "--port", String(port), "--json"])
    await program.says((stdout) => stdout.endsWith("\n"))
    return program
  }
  // Below the ports that the system assigns to connections, any of which might be in use while the server is down.
  for (let tries = 0; ; tries++) {
    const port = randomInt(10_000, 30_000)
    try {
      let program = await launch(port)
      return {
        url: `http://127.0.0.1:${port}`,
        end: async () => {
          program.child.kill("SIGTERM")
          const { code, stderr } = await program.ended
          const problems = stderr
            .split("\n")
            .filter((line) => /ERROR|WARN/.test(line) && !line.includes("requires no token"))
          if (code !== 0 || problems.length > 0) throw new Error(`the server ended with ${code}: ${stderr}`)
        },
        kill: async () => {
          program.child.kill("SIGKILL")
          await program.ended
        },
        start: async () => {
          program = await launch(port)
        }
      }
    } catch (error) {
      if (tries === 10 || !String(error).includes(`ended with ${exitCodes.refused}`)) throw error
    }
  }
}

/** A worker of the library over HTTP. */
export const workOver = (url: string, name: string, random: Random): LoadWorker => {
  const completed: Array<string> = []
  let retries = 0
  const onEvent = (event: WorkerEvent) =>
    Effect.sync(() => {
      if (event._tag === "Completed") completed.push(event.card.id)
      else if (event._tag === "Unavailable") retries++
    })
  const handler = (card: Card) =>
    Effect.as(Effect.sleep(random.below(longestWork)), resultOf(card.id, name, card.claimToken))
  const fiber = Effect.runFork(
    Effect.provide(Worker.run({ owner: name, ttlSeconds, handler, onEvent }), layerHttp({ url }))
  )
  return {
    name,
    retries: () => retries,
    completed: () => completed,
    broken: endOf(fiber),
    end: () => Effect.runPromise(Fiber.interrupt(fiber))
  }
}

/** Why a fiber ended that was not interrupted. */
const endOf = (fiber: Fiber.Fiber<unknown, unknown>): Promise<unknown> =>
  Effect.runPromise(Fiber.await(fiber)).then((exit) => {
    if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return new Promise(() => {})
    return new Error(String(exit))
  })

/** A worker that uses plain HTTP. It repeats requests without a response, with the same key. */
export const workByHand = (
  url: string,
  name: string,
  random: Random,
  acknowledged: Array<Acknowledged>
): LoadWorker => {
  const completed: Array<string> = []
  const over = new AbortController()
  let retries = 0
  const post = async (path: string, key: string, body: object) => {
    for (let unknown = 0; ; unknown++) {
      try {
        const response = await fetch(url + path, {
          method: "POST",
          signal: over.signal,
          headers: { "content-type": "application/json", "idempotency-key": key },
          body: JSON.stringify({ actor: name, ...body })
        })
        const text = await response.text()
        if (response.status < 500) {
          return { unknown, status: response.status, answer: JSON.parse(text || "{}") as Answer }
        }
      } catch (error) {
        if (over.signal.aborted) throw error
      }
      retries++
      await setTimeout(pauseMillis + random.below(pauseMillis))
    }
  }
  const work = async (): Promise<void> => {
    for (let number = 1; ; number++) {
      const key = `${name} ${number}`
      const { answer, status, unknown } = await post("/claim?wait=10", key, { owner: name, ttlSeconds })
      if (status === 204) {
        acknowledged.push({ id: key, op: "claim", unknown, none: true })
        continue
      }
      if (status !== 200) throw new Error(`${name} got status ${status} for a claim: ${JSON.stringify(answer)}`)
      const { claimToken: token, id: card, version } = answer
      acknowledged.push({ id: key, op: "claim", unknown, card, version, token })
      await setTimeout(random.below(longestWork))
      const result = resultOf(card, name, token)
      const done = await post("/complete", result, { id: card, token, result })
      if (done.status === 409) {
        acknowledged.push({ id: result, op: "complete", unknown: done.unknown, refused: done.answer._tag })
        continue
      }
      if (done.status !== 200) throw new Error(`${name} got status ${done.status}: ${JSON.stringify(done.answer)}`)
      acknowledged.push({ id: result, op: "complete", unknown: done.unknown, ...doneBy(done.answer) })
      // Completing a done card returns it unchanged, whichever worker completed it.
      if (done.answer.result === result) completed.push(card)
    }
  }
  const broken = unlessOver(work(), over.signal)
  return {
    name,
    retries: () => retries,
    completed: () => completed,
    broken,
    end: async () => over.abort()
  }
}

/** Why an effect failed that was not interrupted. */
const unlessOver = (work: Promise<unknown>, signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    work.catch((error: unknown) => {
      if (!signal.aborted) resolve(error)
    })
  })

interface Answer {
  readonly _tag: string
  readonly id: string
  readonly version: number
  readonly claimToken: number
  readonly result: unknown
}

const doneBy = ({ id, result, version }: Answer) => ({ card: id, version, result })

/**
 * Runs `backlog work` in a process. Its command waits for a file `go` in the folder; until then, each process holds one
 * card.
 */
export const workInProcess = (flags: ReadonlyArray<string>, name: string, folder: string): LoadWorker => {
  const exec = `until [ -e '${join(folder, "go")}' ]; do sleep 0.02; done; sleep ${longestWork / 1000}
    echo "$BACKLOG_CARD_ID $BACKLOG_OWNER $BACKLOG_CLAIM_TOKEN"`
  const program = start([...flags, "work", "--owner", name, "--ttl", String(ttlSeconds), "--exec", exec])
  const over = new AbortController()
  const ended = program.ended.then(({ code, stderr }) => {
    if (code !== 0 || !over.signal.aborted) throw new Error(`${name} ended with ${code}: ${stderr}`)
  })
  const broken = unlessOver(ended, over.signal)
  let output = ""
  program.child.stderr.on("data", (chunk) => (output += String(chunk)))
  const lines = (pattern: RegExp) => Array.from(output.matchAll(pattern), ([, id = ""]) => id)
  return {
    name,
    retries: () => lines(/^The database is unavailable, retrying/gm).length,
    completed: () => lines(/^(\S+) {2}completed/gm),
    broken,
    end: () => {
      over.abort()
      program.child.kill("SIGTERM")
      return ended
    }
  }
}

/** Lets the commands of all processes continue. */
export const letGo = (folder: string): Promise<void> => appendFile(join(folder, "go"), "")

/** A follower received what it should never receive. */
class Misled extends Error {}

/** Follows server-sent events as a browser does: after a break it reconnects from the last event. */
export const followEventSource = (url: string): Follower => {
  const received: Array<ReceivedEvent> = []
  const over = new AbortController()
  let connections = 0
  const read = async (): Promise<void> => {
    const last = received.at(-1)
    const response = await fetch(`${url}/events`, {
      signal: over.signal,
      headers: last === undefined ? {} : { "last-event-id": String(last.position) }
    })
    if (response.status !== 200) throw new Misled(`/events returned status ${response.status}`)
    connections++
    let rest = ""
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n\n")
      // An incomplete message does not count.
      rest = blocks.pop() ?? ""
      for (const { data, event } of framesOf(blocks.map((block) => `${block}\n\n`).join(""))) {
        if (event === "problem") throw new Misled(data)
        received.push(JSON.parse(data ?? "") as ReceivedEvent)
      }
    }
  }
  const following = (async () => {
    while (!over.signal.aborted) {
      await read().catch((error: unknown) => {
        if (error instanceof Misled) throw error
      })
      await setTimeout(pauseMillis)
    }
  })()
  return {
    name: "server-sent events",
    received,
    resumed: () => connections - 1,
    broken: unlessOver(following, over.signal),
    end: async () => {
      over.abort()
      await following
    }
  }
}

/** Follows with the typed client, which reconnects by itself. */
export const followTyped = (url: string): Follower => {
  const received: Array<ReceivedEvent> = []
  const fiber = Effect.runFork(
    Effect.provide(
      Effect.flatMap(AuditService, (audit) =>
        Stream.runForEach(audit.events({ follow: true }), (event) =>
          Effect.sync(() => void received.push(event as unknown as ReceivedEvent))
        )
      ),
      layerHttp({ url })
    )
  )
  return {
    name: "the typed client",
    received,
    resumed: () => 0,
    broken: endOf(fiber),
    end: () => Effect.runPromise(Fiber.interrupt(fiber))
  }
}

/** Follows with `backlog events --follow`, and restarts it from where it stopped when its database became unavailable. */
export const followInProcess = (flags: ReadonlyArray<string>): Follower => {
  const received: Array<ReceivedEvent> = []
  let program: ReturnType<typeof start>
  let starts = 0
  const over = new AbortController()
  const follow = async (): Promise<void> => {
    while (!over.signal.aborted) {
      program = start([...flags, "events", "--follow", "--json", "--after", String(received.at(-1)?.position ?? 0)])
      starts++
      let rest = ""
      program.child.stdout.on("data", (chunk) => {
        const lines = (rest + String(chunk)).split("\n")
        rest = lines.pop() ?? ""
        for (const line of lines) {
          const { data } = JSON.parse(line) as { readonly data?: ReceivedEvent }
          if (data !== undefined) received.push(data)
        }
      })
      const { code, stderr } = await program.ended
      if (code !== 6 && !(over.signal.aborted && code === 130))
        throw new Error(`the follower ended with ${code}: ${stderr}`)
    }
  }
  const following = follow()
  return {
    name: "backlog events --follow",
    received,
    resumed: () => starts - 1,
    broken: unlessOver(following, over.signal),
    end: () => {
      over.abort()
      program.child.kill("SIGINT")
      return following
    }
  }
}

/** Sends a request with the typed client, and retries while the server is unreachable. */
export const askOver = (url: string) => {
  const client = ManagedRuntime.make(layerHttp({ url }))
  return async <A, E>(effect: Effect.Effect<A, E, BacklogService | AuditService>): Promise<A> => {
    for (;;) {
      const exit = await client.runPromiseExit(effect)
      if (Exit.isSuccess(exit)) return exit.value
      if (!SqlError.isSqlError(Cause.squash(exit.cause))) throw new Error(String(exit.cause))
      await setTimeout(pauseMillis)
    }
  }
}
