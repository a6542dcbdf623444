import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { inject } from "vitest"
import type { ProcessIO, OutputStream } from "../../src/cli/ProcessIO.ts"
import { run } from "../../src/cli/run.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { createEmptyBacklog } from "../support/emptyBacklog.ts"

/** The exit code and output of a command line. */
export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The environment of a command line. Everything defaults to empty. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  /** Width of both outputs as terminals, in columns. Defaults to no terminal. */
  readonly terminal?: number
  /** References that the program uses instead of their defaults. */
  readonly references?: Layer.Layer<never>
}

/** Runs a command line in this process. */
export const cli = async (argv: ReadonlyArray<string>, options: RunOptions = {}): Promise<RunResult> => {
  const stdout = recorder(options)
  const stderr = recorder(options)
  const host: ProcessIO["Service"] = {
    onExit: () => () => {},
    onInterrupt: () => {},
    env: { BACKLOG_ACTOR: "tester", ...options.env },
    stdin: chunks(options.stdin ?? ""),
    stdout: stdout.output,
    stderr: stderr.output
  }
  const code = await Effect.runPromise(Effect.provide(run(argv, host), options.references ?? Layer.empty))
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

const recorder = ({ terminal }: RunOptions): { readonly output: OutputStream; readonly text: () => string } => {
  const written: Array<string> = []
  return {
    output: {
      write: (text) => {
        written.push(text)
      },
      drain: Effect.void,
      isTerminal: terminal !== undefined,
      size: () => ({ columns: terminal ?? 80, rows: 24 })
    },
    text: () => written.join("")
  }
}

/** Small chunks, so that a character or a line may be split. */
async function* chunks(text: string | Uint8Array): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let start = 0; start < bytes.length; start += 60_001) yield bytes.subarray(start, start + 60_001)
}

/** Runs a command line with `--json`, and returns the one document that it must print. */
export const json = async (argv: ReadonlyArray<string>, options: RunOptions = {}) => {
  const ran = await cli(["--json", ...argv], options)
  return { code: ran.code, stderr: ran.stderr, ...documentIn(ran.stdout) }
}

/** Parses standard output, which must be exactly one document. */
export const documentIn = (stdout: string) => {
  const lines = stdout.split("\n")
  assert.strictEqual(lines.length, 2, `one line, and its end: ${stdout.slice(0, 300)}`)
  assert.strictEqual(lines[1], "")
  const document = JSON.parse(lines[0] ?? "") as Record<string, unknown>
  const content = "data" in document ? "data" : "error"
  assert.deepStrictEqual(Object.keys(document), ["schemaVersion", content])
  assert.strictEqual(document["schemaVersion"], 1)
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read documents of every shape
  return document as { readonly data?: any; readonly error?: any }
}

/** A separate backlog, and the flags that select it. */
export interface Place {
  readonly flags: ReadonlyArray<string>
  readonly remove: () => Promise<unknown>
}

/** A new schema on the test server. */
export const onServer = (): Place & { readonly schema: string } => {
  const schema = `cli_${randomBytes(8).toString("hex")}`
  return {
    schema,
    flags: ["--db", inject("postgresUrl"), "--schema", schema],
    // A transaction that a program has given up may still wait for a lock that a test held, and gets it now.
    remove: () =>
      sql((client) =>
        Effect.retry(client`DROP SCHEMA IF EXISTS ${client(schema)} CASCADE`, {
          while: ({ reason }) => reason._tag === "DeadlockError",
          times: 5
        })
      )
  }
}

/** Runs SQL on the test server. */
export const sql = <A>(statement: (client: SqlClient.SqlClient) => Effect.Effect<A, unknown>): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(SqlClient.SqlClient, statement).pipe(
      Effect.provide(layerPostgresClient({ url: inject("postgresUrl"), poolSize: 1 })),
      Effect.orDie
    )
  )

/** A new directory with an empty backlog. */
export const inDirectory = async (): Promise<Place & { readonly directory: string }> => {
  const directory = await temporaryDirectory()
  await createEmptyBacklog(join(directory, "backlog"))
  return {
    directory: join(directory, "backlog"),
    flags: ["--db", join(directory, "backlog")],
    remove: () => rm(directory, { recursive: true, force: true })
  }
}

/** A directory that is deleted after all tests. */
export const temporaryDirectory = (): Promise<string> => mkdtemp(join(inject("scratch"), "cli-"))
