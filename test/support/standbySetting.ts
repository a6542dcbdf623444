import { Effect, Fiber } from "effect"
import type { SqlClient } from "effect/sql"
import { until } from "./waiting.ts"

/** Sets synchronous standbys that do not exist, and finds and cancels the commits that wait for them. The scope removes them again. */
export const standbySetting = (admin: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    /** The sessions whose commits wait for a standby. */
    const waiting = Effect.map(
      admin<{ readonly pid: number }>`SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
      (rows) => rows.map(({ pid }) => pid)
    )
    const cancel = Effect.flatMap(waiting, (pids) =>
      Effect.forEach(pids, (pid) => admin`SELECT pg_cancel_backend(${pid}::int4)`, { discard: true })
    )
    /** Whether commits wait for the standby: the server's processes reload their settings one after the other. */
    const isWaitedFor = Effect.gen(function* () {
      const commit = yield* Effect.forkScoped(
        Effect.exit(admin`SELECT pg_logical_emit_message(true, 'test', '')::text`)
      )
      yield* until(Effect.map(waiting, (pids) => commit.pollUnsafe() !== undefined || pids.length > 0))
      const waits = (yield* waiting).length > 0
      yield* cancel
      yield* Fiber.join(commit)
      return waits
    })
    const setStandby = (name: string) =>
      Effect.gen(function* () {
        yield* admin.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${name}'`)
        yield* admin`SELECT pg_reload_conf()`
        const current = admin<{ readonly names: string }>`
          SELECT current_setting('synchronous_standby_names') AS names`
        yield* until(Effect.map(current, ([row]) => row?.names === name))
        if (name !== "") yield* until(Effect.scoped(isWaitedFor))
      })
    yield* Effect.addFinalizer(() => Effect.orDie(setStandby("")))
    return { setStandby, waiting, cancel }
  })
