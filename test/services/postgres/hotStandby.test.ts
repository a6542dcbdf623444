import { DateTime, Duration, Effect, Fiber, Option, Redacted, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { execFile } from "node:child_process"
import { chmod, chown, cp, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ReplicaWait } from "../../../src/events/replica.ts"
import {
  AuditService,
  type BacklogServices,
  BacklogService,
  layerPostgres,
  replicaErrorOf
} from "../../../src/index.ts"
import { layerPostgresClient } from "../../../src/services/postgres/PostgresClient.ts"
import { cli, json, temporaryDirectory } from "../../cli/support.ts"
import { runInBackground } from "../../support/runInBackground.ts"
import { type PostgresServer, startPostgres } from "../../support/postgresServer.ts"
import { until } from "../../support/waiting.ts"

const actor = "tester"

describe("a hot standby", () => {
  let primary: PostgresServer
  let standby: PostgresServer
  let authority = ""

  beforeAll(async () => {
    primary = await startPostgres()
    await encrypt(primary.dataDir)
    await sqlOn(primary, "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()")
    const made = await json(["create", "--id", "a", "--title", "A", "--db", primary.url])
    assert.strictEqual(made.code, 0)
    standby = await startPostgres({ replicaOf: primary, settings: { max_standby_streaming_delay: 0 } })
  })
  afterAll(async () => {
    await standby?.stop()
    await primary?.stop()
  })

  const on = <A, E>(
    server: PostgresServer,
    effect: Effect.Effect<A, E, BacklogServices>,
    wait = "10 seconds" as Duration.Input
  ) =>
    Effect.runPromise(
      effect.pipe(
        Effect.provide(layerPostgres({ url: server.url, poolSize: 4 })),
        Effect.provideService(ReplicaWait, Duration.fromInputUnsafe(wait))
      )
    )
  const sqlOn = (server: PostgresServer, ...statements: ReadonlyArray<string>) =>
    Effect.runPromise(
      Effect.flatMap(SqlClient.SqlClient, (sql) =>
        Effect.forEach(statements, (statement) => sql.unsafe<Record<string, unknown>>(statement))
      ).pipe(Effect.provide(layerPostgresClient({ url: server.url, poolSize: 1 })))
    )
  /** Installs a self-signed certificate for `localhost` on a server. */
  const encrypt = async (dataDir: string) => {
    const [key, certificate] = [join(dataDir, "server.key"), join(dataDir, "server.crt")]
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    const files = ["-keyout", key, "-out", certificate]
    await promisify(execFile)("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files, ...subject])
    const { gid, uid } = await stat(dataDir)
    for (const file of [key, certificate]) {
      await chmod(file, 0o600)
      await chown(file, uid, gid)
    }
    authority = join(await temporaryDirectory(), "authority.pem")
    await cp(certificate, authority)
  }
  const create = (id: string) => Effect.flatMap(BacklogService, (backlog) => backlog.create({ id, title: id, actor }))
  /** Waits until the standby has replayed everything that the primary has. */
  const replayed = async () => {
    const position = (await json(["anchor", "--db", primary.url])).data.position
    assert.strictEqual((await json(["stats", "--at", String(position), "--db", standby.url])).code, 0)
    return position as number
  }
  const troubleIn = (error: unknown) => (SqlError.isSqlError(error) ? replicaErrorOf(error) : undefined)

  it("serves every read, verifies and exports", async () => {
    // A backlog of a version without counts: a standby cannot count.
    await sqlOn(primary, "UPDATE backlog.counts SET position = 0")
    await on(primary, create("read"))
    await sqlOn(primary, "UPDATE backlog.counts SET position = 0")
    await replayed()
    const file = join(await temporaryDirectory(), "log.jsonl")
    for (const argv of [
      ["list"],
      ["show", "a"],
      ["explain", "a"],
      ["stats"],
      ["history", "a"],
      ["list", "--at", "1"],
      ["events"],
      ["anchor"],
      ["verify"],
      ["export", file],
      ["consumers"],
      ["token", "list"],
      ["watch"],
      ["migrate"]
    ]) {
      const ran = await cli([...argv, "--db", standby.url])
      assert.deepStrictEqual([argv, ran.code], [argv, 0], ran.stderr)
    }
    assert.strictEqual((await readFile(file, "utf8")).trim().split("\n").length, 3)
  })

  it("refuses commands with ReadOnlyReplica, which says what to connect to", async () => {
    const file = join(await temporaryDirectory(), "log.jsonl")
    assert.strictEqual((await cli(["export", file, "--db", standby.url])).code, 0)
    const refused = await Promise.all(
      [
        ["create", "--id", "b", "--title", "B"],
        ["claim", "--owner", "w"],
        ["rebuild"],
        ["restored"],
        ["import", file, "--format", "log"],
        ["redact", "a", "--part", "body", "--reason", "r"],
        ["receipts", "prune", "--older-than-days", "1"],
        ["token", "create", "--actor", "w", "--role", "worker"]
      ].map((argv) => json([...argv, "--db", standby.url]))
    )
    assert.deepStrictEqual(
      refused.map(({ code, error }) => [code, error?._tag]),
      refused.map(() => [6, "ReadOnlyReplica"])
    )
    const [error] = await on(
      standby,
      Effect.gen(function* () {
        const audit = yield* AuditService
        const sql = yield* SqlClient.SqlClient
        return yield* Effect.all([
          Effect.flip(audit.advance("c", 0, 1)),
          Effect.flip(sql.withTransaction(create("in a transaction")))
        ])
      })
    )
    assert.strictEqual(troubleIn(error)?._tag, "ReadOnlyReplica")
  })

  it("is distinguished from a primary server whose role is read-only", async () => {
    const url = `${primary.url}?options=${encodeURIComponent("-c default_transaction_read_only=on")}`
    const refused = await json(["token", "create", "--actor", "w", "--role", "worker", "--db", url])
    assert.deepStrictEqual([refused.code, refused.error?._tag], [6, "NotPermitted"])
  })

  it("creates and migrates nothing", async () => {
    const missing = await json(["list", "--db", standby.url, "--schema", "elsewhere"])
    assert.deepStrictEqual([missing.code, missing.error?._tag], [6, "BacklogMissing"])
    const created = await json(["migrate", "--db", standby.url, "--schema", "elsewhere"])
    assert.deepStrictEqual([created.code, created.error?._tag], [6, "BacklogMissing"])
    assert.include(created.error?.message, "read-only replica: create the backlog on its primary server")
    await sqlOn(
      primary,
      "CREATE TABLE backlog.kept AS SELECT * FROM backlog.migrations",
      "DELETE FROM backlog.migrations WHERE id > 6"
    )
    const behind = () => json(["migrate", "--db", standby.url])
    await Effect.runPromise(until(Effect.map(Effect.promise(behind), ({ code }) => code === 6)))
    const { error } = await behind()
    assert.deepStrictEqual(error?._tag, "MigrationRefused")
    assert.match(error?.message, /migration 7 \(.*\) is missing: .* run `backlog migrate` on its primary server/)
    await sqlOn(
      primary,
      "INSERT INTO backlog.migrations SELECT * FROM backlog.kept WHERE id > 6",
      "DROP TABLE backlog.kept"
    )
    await replayed()
    await Effect.runPromise(until(Effect.map(Effect.promise(behind), ({ code }) => code === 0)))
  })

  it("follows events and waits for cards by polling", async () => {
    const after = await replayed()
    const followed = on(
      standby,
      Effect.flatMap(AuditService, (audit) =>
        Stream.runHead(audit.events({ after, follow: true })).pipe(Effect.map(Option.getOrThrow))
      )
    )
    const waited = on(
      standby,
      Effect.flatMap(BacklogService, (backlog) => backlog.awaitClaimable({ phase: "later", waitSeconds: 100 }))
    )
    await on(
      primary,
      Effect.flatMap(BacklogService, (backlog) => backlog.create({ id: "late", title: "L", phase: "later", actor }))
    )
    assert.strictEqual((await followed).position, after + 1)
    assert.isTrue(await waited)
  })

  it("waits for a position that it has not replayed, and fails when it lags for too long", async () => {
    const position = (await replayed()) + 1
    await sqlOn(standby, "SELECT pg_wal_replay_pause()")
    await on(primary, create("unseen"))
    const at = (wait: Duration.Input) =>
      on(
        standby,
        Effect.flatMap(AuditService, (audit) =>
          Effect.all(
            [
              Effect.flip(audit.cardAt("unseen", { position })),
              Effect.flip(audit.cardAt("unseen", { version: 1 })),
              Effect.flip(audit.backlogAt({ time: DateTime.nowUnsafe() })),
              Effect.flip(Stream.runDrain(audit.events({ after: position }))),
              Effect.flip(Stream.runHead(audit.events({ after: position, follow: true })))
            ],
            { concurrency: "unbounded" }
          )
        ),
        wait
      )
    for (const error of await at("200 millis")) {
      const trouble = troubleIn(error)
      assert.strictEqual(trouble?._tag, "ReplicaBehind")
      assert.include(trouble?.message, `it has the log up to position ${position - 1}`)
    }
    const waiting = on(
      standby,
      Effect.flatMap(AuditService, (audit) => audit.cardAt("unseen", { position }))
    )
    await sqlOn(standby, "SELECT pg_wal_replay_resume()")
    assert.isTrue(Option.isSome(await waiting))
    const beyond = await json(["list", "--at", String(position + 100), "--db", primary.url])
    assert.deepStrictEqual([beyond.code, beyond.error?._tag], [4, "MomentNotReached"])
  })

  it("does not return the state of a time for which commits may still arrive", async () => {
    await replayed()
    const [found, readAt] = await on(
      standby,
      Effect.gen(function* () {
        const time = DateTime.nowUnsafe()
        return [yield* Effect.result((yield* AuditService).backlogAt({ time })), time] as const
      }),
      "100 millis"
    )
    // No commit arrives. The standby is certain only after 2 seconds, or when a background process has committed.
    const [[row] = []] = await sqlOn(
      standby,
      `SELECT clock_timestamp() > read_at + '2 seconds'::interval OR coalesce(pg_last_xact_replay_timestamp() > read_at, false)
        AS known FROM (SELECT '${DateTime.formatIso(readAt)}'::timestamptz AS read_at) AS times`
    )
    const isBehind = found._tag === "Failure" && troubleIn(found.failure)?._tag === "ReplicaBehind"
    assert.isTrue(isBehind || row?.["known"] === true, String(found))
  })

  it("reports a read that it canceled, and which setting to change", async () => {
    await replayed()
    const conflicts = async () => {
      const [[row] = []] = await sqlOn(
        standby,
        "SELECT confl_snapshot::int AS conflicts FROM pg_stat_database_conflicts WHERE datname = 'postgres'"
      )
      return Number(row?.["conflicts"]) > 0
    }
    const removeRowsInUse = async () => {
      await sqlOn(primary, "UPDATE backlog.cards SET title = title", "VACUUM backlog.cards")
      await sqlOn(primary, "SELECT pg_switch_wal()::text")
      await Effect.runPromise(until(Effect.promise(conflicts)))
    }
    let begun = 0
    const canceled = await on(
      standby,
      Effect.gen(function* () {
        const audit = yield* AuditService
        return yield* Effect.flip(
          audit.verify({
            // Removes rows that the snapshot of the verification still sees. The first report precedes the snapshot.
            onProgress: (done) => (done === 0 && ++begun === 2 ? Effect.promise(removeRowsInUse) : Effect.void)
          })
        )
      })
    )
    const trouble = troubleIn(canceled)
    assert.strictEqual(trouble?._tag, "ReplicaConflict", String(canceled))
    assert.include(trouble?.message, "hot_standby_feedback")
  })

  it("can be served: reads succeed, commands are refused, and it is ready as a read-only replica", async () => {
    const written = { stdout: "", stderr: "" }
    const output = (name: "stdout" | "stderr") => ({
      write: (text: string) => {
        written[name] += text
      },
      drain: Effect.void,
      isTerminal: false,
      size: () => ({ columns: 80, rows: 24 })
    })
    const server = runInBackground(
      ["serve", "--port", "0", "--json", "--db", standby.url],
      { BACKLOG_ACTOR: actor },
      { stdout: output("stdout"), stderr: output("stderr") }
    )
    await Effect.runPromise(
      until(Effect.sync(() => written.stdout.includes("\n") || server.pollUnsafe() !== undefined))
    )
    const { url } = JSON.parse(written.stdout).data
    const get = async (path: string, init?: RequestInit) => {
      const response = await fetch(`${url}${path}`, init)
      return [response.status, await response.text()] as const
    }
    const headers = { "content-type": "application/json" }
    assert.deepStrictEqual(await get("/readyz"), [200, "ready: read-only replica\n"])
    assert.strictEqual((await get("/get?id=a"))[0], 200)
    const body = JSON.stringify({ id: "served", title: "S", actor })
    const [status, problem] = await get("/create", { method: "POST", headers, body })
    assert.deepStrictEqual([status, JSON.parse(problem)._tag], [503, "ReadOnlyReplica"])
    await Effect.runPromise(Fiber.interrupt(server))
  })

  it("is reported by the doctor as healthy", async () => {
    const { code, data } = await json(["doctor", "--db", standby.url])
    const found = data.findings.filter(({ what }: { readonly what: string }) => what.includes("read-only replica"))
    assert.deepStrictEqual(
      found.map(({ check, level }: { check: string; level: string }) => [check, level]),
      [["server", "note"]]
    )
    assert.oneOf(code, [0, 1])
  })

  describe("among several hosts", () => {
    /** A URL of both servers, and of a server that does not exist. */
    const hosts = (...ports: ReadonlyArray<number>) => {
      const { password } = new URL(primary.url)
      return `postgres://postgres:${password}@${ports.map((port) => `127.0.0.1:${port}`).join(",")}/postgres`
    }
    const portOf = (url: string) =>
      Effect.runPromise(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ port: number }>`SELECT inet_server_port() AS port`).pipe(
          Effect.provide(layerPostgresClient({ url: Redacted.make(url), poolSize: 1 })),
          Effect.map(([row]) => row?.port),
          Effect.result
        )
      )
    const chosen = async (attrs: string, ...ports: ReadonlyArray<number>) => {
      const result = await portOf(`${hosts(...ports)}?target_session_attrs=${attrs}`)
      return result._tag === "Success" ? result.success : result.failure.reason.cause
    }

    it("is chosen by target_session_attrs", async () => {
      const both = [standby.port, primary.port]
      assert.strictEqual(await chosen("any", 1, ...both), standby.port)
      for (const attrs of ["read-write", "primary"]) assert.strictEqual(await chosen(attrs, ...both), primary.port)
      for (const attrs of ["read-only", "standby", "prefer-standby"]) {
        assert.strictEqual(await chosen(attrs, primary.port, standby.port), standby.port)
      }
      assert.strictEqual(await chosen("prefer-standby", 1, primary.port), primary.port)
      assert.match(String(await chosen("primary", 1, standby.port)), /127\.0\.0\.1:1: .*; 127\.0\.0\.1:\d+: a standby/)
    })

    it("is encrypted and verified by sslmode, with one host and with several", async () => {
      const encrypted = (host: string, query: string) =>
        Effect.runPromise(
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql<{ ssl: boolean }>`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
          ).pipe(
            Effect.provide(
              layerPostgresClient({ url: `${primary.url.replace("127.0.0.1", host)}?${query}`, poolSize: 1 })
            ),
            Effect.map(([row]) => row?.ssl),
            Effect.catch(({ reason: { cause } }) => Effect.succeed(String(cause)))
          )
        )
      const root = `sslrootcert=${authority}`
      assert.strictEqual(await encrypted("127.0.0.1", "sslmode=disable"), false)
      assert.strictEqual(await encrypted("127.0.0.1", "sslmode=require"), true)
      assert.match(String(await encrypted("localhost", "sslmode=verify-full")), /self-signed certificate/)
      for (const more of ["", "&target_session_attrs=primary"]) {
        assert.strictEqual(await encrypted("127.0.0.1", `sslmode=verify-ca&${root}${more}`), true)
        assert.strictEqual(await encrypted("localhost", `sslmode=verify-full&${root}${more}`), true)
        const wrongName = await encrypted("127.0.0.1", `sslmode=verify-full&${root}${more}`)
        assert.match(String(wrongName), /does not match certificate's altnames/)
      }
    })

    it("sends commands to the primary server", async () => {
      const url = `${hosts(standby.port, primary.port)}?target_session_attrs=read-write`
      const made = await json(["create", "--id", "by-hosts", "--title", "H", "--db", url])
      assert.deepStrictEqual([made.code, made.data?.id], [0, "by-hosts"])
      const { data } = await json(["doctor", "--db", url])
      assert.deepStrictEqual([data.facts.isEmbedded, data.facts.server.isReplica], [false, false])
      assert.isNumber(data.facts.notificationMillis)
    })
  })
})
