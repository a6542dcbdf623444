import { DateTime, Effect, Predicate, Stream } from "effect"
import { SqlError } from "effect/sql"
import { expect } from "vitest"
import { BodyTooLarge } from "../../src/http/errors.ts"
import {
  AuditService,
  BacklogNotEmpty,
  BacklogService,
  CardAlreadyExists,
  CardId,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  CheckpointMoved,
  ClaimLost,
  CommandIdConflict,
  DamagedEvent,
  DependencyCycle,
  DependencyNotFound,
  InvalidInput,
  LogFileRefused,
  MomentNotReached,
  ReadOnlyReplica,
  RebuildBlocked,
  RebuildRefused,
  RebuildSuperseded,
  RemovalPending,
  ReplicaBehind,
  ReplicaConflict,
  SelfDependency,
  TooManyLabels,
  UndecodableEvent
} from "../../src/index.ts"
import { ask as askRaw, serveSecured } from "../security/support/serveSecured.ts"
import { onServer } from "../support/databases.ts"
import { type Operation, readDocument } from "./support/openApi.ts"
import { type Answer, clientAt, startServer } from "./support/startServer.ts"

const actor = "ann"
const id = CardId.make("a")
const expiresAt = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
const sqlError = (reason: SqlError.SqlError["reason"]) => new SqlError.SqlError({ reason })
const details = { cause: undefined, message: "m", operation: "test" }

/** An error of a service for each problem that an endpoint documents, by the problem's tag. */
const failures: Readonly<Record<string, unknown>> = {
  InvalidInput: new InvalidInput({ problem: "p" }),
  CardNotFound: new CardNotFound({ id }),
  DependencyNotFound: new DependencyNotFound({ id, dependsOn: id }),
  CardAlreadyExists: new CardAlreadyExists({ id }),
  SelfDependency: new SelfDependency({ id }),
  DependencyCycle: new DependencyCycle({ id, dependsOn: id, path: [id, id] }),
  ClaimLost: new ClaimLost({ id, token: 2, status: "claimed", holder: "w", expiresAt }),
  CardIsClaimed: new CardIsClaimed({ id, holder: "w", expiresAt }),
  CardIsDone: new CardIsDone({ id }),
  TooManyLabels: new TooManyLabels({ id, count: 33 }),
  CommandIdConflict: new CommandIdConflict({ commandId: "c" }),
  MomentNotReached: new MomentNotReached({ asked: "a", reached: "b" }),
  CheckpointMoved: new CheckpointMoved({ consumer: "c", expected: 1, found: 2 }),
  BacklogNotEmpty: new BacklogNotEmpty({ position: 1 }),
  LogFileRefused: new LogFileRefused({ line: 1, problem: "p" }),
  RebuildBlocked: new RebuildBlocked({ schema: "s", waitedSeconds: 1.5 }),
  RebuildRefused: new RebuildRefused({ schema: "s", added: ["an index"] }),
  RebuildSuperseded: new RebuildSuperseded({ schema: "s" }),
  RemovalPending: new RemovalPending({ schema: "s", problem: "p" }),
  DamagedEvent: new DamagedEvent({ position: 1, cardId: "a", problem: "p" }),
  UndecodableEvent: new UndecodableEvent({ type: "T", schemaVersion: 1, reason: "r" }),
  BodyTooLarge: new BodyTooLarge({ limitBytes: 1 }),
  DatabaseUnavailable: sqlError(new SqlError.ConnectionError(details)),
  DatabaseFailed: sqlError(new SqlError.SqlSyntaxError(details)),
  NotPermitted: sqlError(new SqlError.AuthorizationError(details)),
  ReadOnlyReplica: sqlError(new SqlError.UnknownError({ ...details, cause: new ReadOnlyReplica() })),
  ReplicaBehind: sqlError(
    new SqlError.UnknownError({ ...details, cause: new ReplicaBehind({ asked: "a", position: 1 }) })
  ),
  ReplicaConflict: sqlError(new SqlError.UnknownError({ ...details, cause: new ReplicaConflict() })),
  Defect: "defect"
}

/** Problems that other tests of this file cause: the server refuses the request before it reaches a service. */
const refusals = new Set(
  "BadRequest HostNotAllowed OriginNotAllowed ForwardedRequest UnsupportedMediaType Unavailable Unauthorized Forbidden TooManyRequests".split(
    " "
  )
)

/** A valid request of each endpoint: its query, and the body of a command. */
const requests: Readonly<Record<string, readonly [query: string, body?: object]>> = {
  "/create": ["", { id: "new", title: "N", acceptance: { size: 1 }, dependsOn: ["a"], actor }],
  "/create-many": ["", { cards: [{ id: "new2", title: "N" }], actor }],
  "/revise": ["", { id: "a", body: "b", actor }],
  "/note": ["", { id: "a", text: "n", actor }],
  "/get": ["?id=a"],
  "/notes": ["?id=a"],
  "/claims": [""],
  "/dependents": ["?id=a"],
  "/neighbourhood": ["?id=a"],
  "/impact": ["?id=a"],
  "/critical-path": [""],
  "/diff": ["?fromPosition=0"],
  "/flow": ["?bucket=week&by=label"],
  "/density": ["?from=1&buckets=2"],
  "/list": [""],
  "/claim": ["", { owner: "w", actor }],
  "/claim-many": ["", { owner: "w", limit: 2, actor }],
  "/renew": ["", { id: "a", token: 2, actor }],
  "/release": ["", { id: "a", token: 3, retryAfterSeconds: 60, actor }],
  "/reclaim": ["", { actor }],
  "/link": ["", { from: "a", to: "b", actor }],
  "/unlink": ["", { from: "a", to: "b", actor }],
  "/block": ["", { id: "a", reason: "r", actor }],
  "/unblock": ["", { id: "a", actor }],
  "/complete": ["", { id: "a", force: true, result: [1], claimNext: { owner: "w" }, actor }],
  "/complete-many": ["", { completions: [{ id: "a" }, { id: "none" }, { id: "b" }], actor }],
  "/reopen": ["", { id: "a", actor }],
  "/stats": [""],
  "/explain": ["?id=a"],
  "/why-nothing-claimable": [""],
  "/await-claimable": ["?waitSeconds=0"],
  "/await-claim-end": ["?id=a&token=1&waitSeconds=0"],
  "/history": ["?id=a"],
  "/card-at": ["?id=a&version=1"],
  "/explain-at": ["?id=a&version=1"],
  "/backlog-at": ["?position=1"],
  "/backlog-at/cards": ["?position=2"],
  "/backlog-at/dependents": ["?position=2&id=a"],
  "/backlog-at/neighbourhood": ["?position=2&id=a"],
  "/backlog-at/impact": ["?position=2&id=a"],
  "/backlog-at/critical-path": ["?position=2"],
  "/events": ["?follow=false"],
  "/checkpoints": [""],
  "/checkpoint": ["?consumer=c"],
  "/advance": ["", { consumer: "c", from: 0, to: 1 }],
  "/park": ["", { consumer: "c", position: 1, reason: "r" }],
  "/parked": [""],
  "/unpark": ["", { consumer: "c", position: 1 }],
  "/verify": ["", {}],
  "/verifications": [""],
  "/anchor": [""],
  "/anchors": [""],
  "/rebuild": ["", {}],
  "/redact": ["", { id: "a", parts: ["body"], reason: "r", actor }],
  "/erasures": [""],
  "/remove-erased": ["", {}],
  "/prune-receipts": ["", { olderThanDays: 1 }],
  "/export-log": [""],
  "/restored": ["", { actor }],
  "/import-log": ["?actor=ann"],
  "/caller": [""]
}

/** Sends the request of an endpoint. */
const send = ({ ask, post }: Pick<ReturnType<typeof clientAt>, "ask" | "post">, { method, path }: Operation) => {
  const [query, body] = requests[path] ?? [""]
  if (method === "get") return ask(path + query)
  return path === "/import-log"
    ? ask(path + query, { method: "POST", body: "x\n", headers: { "content-type": "application/x-ndjson" } })
    : post(path + query, body ?? {})
}

/** A service whose methods all fail. Those that are effects or streams are, too. */
const failing = <Service extends object>(service: Service, error: unknown): Service => {
  const fail = error === failures["Defect"] ? Effect.die(error) : Effect.fail(error)
  return Object.fromEntries(
    Object.entries(service).map(([name, member]) => {
      if (/^(?:diff|history|events|exportLog)$/.test(name)) {
        const stream = Stream.fromEffect(fail)
        return [name, Predicate.isFunction(member) ? () => stream : stream]
      }
      return [name, Predicate.isFunction(member) ? () => fail : fail]
    })
  ) as Service
}

const instant = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z/

onServer("the responses of the server", (test) => {
  test(
    "of every endpoint conform to the OpenAPI document",
    Effect.gen(function* () {
      const server = yield* startServer()
      const { ask, post } = server
      const document = readDocument((yield* ask("/openapi.json")).json())
      const find = (path: string) => document.operations.find((each) => each.path === path) ?? expect.unreachable(path)
      const conform = (path: string, status: number, answer: Answer): void => {
        const operation = find(path)
        expect([path, answer.status, document.problemOf(operation, answer)]).toEqual([path, status, undefined])
        if (!instant.test(answer.text) || /export-log/.test(path)) return
        // Every time is documented as a time.
        for (const [found] of answer.text.matchAll(new RegExp(instant, "g"))) {
          // Nested in the text of an event's data, or in data that the document does not describe.
          if (path === "/events" || path === "/history") continue
          const text = answer.text.replaceAll(found, "no time")
          expect([path, found, document.problemOf(operation, { ...answer, text })]).not.toEqual([
            path,
            found,
            undefined
          ])
        }
      }
      const ok = Effect.fnUntraced(function* (path: string, status = 200) {
        conform(path, status, yield* send(server, find(path)))
      })

      yield* post("/create", { id: "a", title: "A", body: "b", acceptance: ["x"], actor })
      yield* post("/create", { id: "b", title: "B", actor })
      yield* ok("/claim")
      yield* ok("/get")
      yield* ok("/explain")
      yield* ok("/list")
      for (const path of ["/renew", "/complete", "/reopen", "/reclaim", "/claim-many", "/claim-many"]) yield* ok(path)
      for (const path of ["/note", "/get", "/notes", "/claims", "/diff", "/flow", "/density"]) yield* ok(path)
      yield* ok("/claim", 204)
      yield* ok("/why-nothing-claimable")
      for (const path of ["/create", "/create-many", "/revise", "/link", "/unlink"]) yield* ok(path)
      conform("/release", 409, yield* post("/release", { id: "a", token: 1, actor }))
      for (const path of [
        "/block",
        "/explain",
        "/unblock",
        "/dependents",
        "/neighbourhood",
        "/impact",
        "/critical-path",
        "/complete-many",
        "/explain",
        "/stats"
      ])
        yield* ok(path)
      for (const path of ["/history", "/card-at", "/explain-at", "/backlog-at", "/backlog-at/cards"]) yield* ok(path)
      yield* ok("/checkpoint")
      yield* ok("/advance", 204)
      yield* ok("/park", 204)
      for (const path of ["/checkpoints", "/checkpoint", "/parked", "/unpark", "/events", "/await-claimable"])
        yield* ok(path)
      for (const path of ["/anchor", "/redact", "/erasures", "/events", "/verify", "/rebuild", "/remove-erased"])
        yield* ok(path)
      for (const path of ["/verifications", "/anchors"]) yield* ok(path)
      for (const path of ["/erasures", "/prune-receipts", "/restored", "/export-log"]) yield* ok(path)
      yield* ok("/import-log", 409)
      yield* ok("/caller")

      const chunked = yield* Effect.promise(() =>
        fetch(`${server.url}/create`, {
          method: "POST",
          body: new Blob(["x".repeat(3 * 1024 * 1024)]).stream(),
          headers: { "content-type": "application/json" },
          duplex: "half"
        })
      )
      const text = yield* Effect.promise(() => chunked.text())
      expect(document.problemOf(find("/create"), { status: 413, headers: chunked.headers, text })).toBeUndefined()
      for (const [status, init] of [
        [400, { method: "POST", body: "{", headers: { "content-type": "application/json" } }],
        [413, { method: "POST", body: "x".repeat(3 * 1024 * 1024), headers: { "content-type": "application/json" } }],
        [415, { method: "POST", body: "x", headers: { "content-type": "text/plain" } }],
        [403, { method: "POST", body: "{}", headers: { origin: "https://example.org" } }],
        [403, { method: "POST", body: "{}", headers: { "x-forwarded-for": "10.0.0.1" } }]
      ] as const) {
        conform("/create", status, yield* ask("/create", init))
      }
      conform("/import-log", 415, yield* ask("/import-log", { method: "POST", body: "{}" }))
    })
  )

  test(
    "to callers without the permission conform to the OpenAPI document",
    Effect.gen(function* () {
      const { holder, port } = yield* serveSecured({ rateLimit: { perSecond: 0.001, burst: 6 } })
      const document = readDocument((yield* clientAt(`http://127.0.0.1:${port}`).ask("/openapi.json")).json())
      const operation = document.operations.find(({ path }) => path === "/stats") ?? expect.unreachable()
      const conform = (status: number, answer: Effect.Success<ReturnType<typeof askRaw>>): void => {
        const type = answer.headers["content-type"]
        const headers = new Headers({ "content-type": String(type) })
        expect([answer.status, document.problemOf(operation, { status, headers, text: answer.body })]).toEqual([
          status,
          undefined
        ])
        const documented = (operation.part["responses"] as Record<string, { readonly headers?: object }>)[status]
        for (const name of Object.keys(documented?.headers ?? {}))
          expect(answer.headers).toHaveProperty(name.toLowerCase())
      }
      const { text: token } = yield* holder("w", "worker")
      conform(401, yield* askRaw(port, { path: "/stats" }))
      conform(401, yield* askRaw(port, { path: "/stats", token: "mbk_x" }))
      conform(403, yield* askRaw(port, { path: "/stats", headers: { host: "example.org" } }))
      conform(400, yield* askRaw(port, { path: "//stats" }))
      const verify = document.operations.find(({ path }) => path === "/verify") ?? expect.unreachable()
      const forbidden = yield* askRaw(port, { path: "/verify", token, body: {} })
      const headers = new Headers({ "content-type": String(forbidden.headers["content-type"]) })
      expect(document.problemOf(verify, { status: 403, headers, text: forbidden.body })).toBeUndefined()
      for (let asked = 0; asked < 6; asked++) yield* askRaw(port, { path: "/stats" })
      conform(429, yield* askRaw(port, { path: "/stats" }))
    })
  )

  test(
    "to every failure that an endpoint documents conform to the OpenAPI document",
    Effect.gen(function* () {
      const [backlog, audit] = [yield* BacklogService, yield* AuditService]
      const seen = new Set<string>()
      for (const [tag, failure] of Object.entries(failures)) {
        const server = yield* startServer().pipe(
          Effect.provideService(BacklogService, failing(backlog, failure)),
          Effect.provideService(AuditService, failing(audit, failure))
        )
        const document = readDocument((yield* server.ask("/openapi.json")).json())
        for (const operation of document.operations) {
          for (const other of operation.tags) if (!refusals.has(other)) expect(failures).toHaveProperty(other)
          // `/caller` uses no service that could fail.
          if (!operation.tags.includes(tag) || operation.path === "/caller") continue
          const answer = yield* send(server, operation)
          seen.add(tag)
          const problem = document.problemOf(operation, answer)
          expect([operation.path, answer.json()["_tag"], problem]).toEqual([operation.path, tag, undefined])
        }
      }
      expect([...seen].sort()).toEqual(Object.keys(failures).sort())
    })
  )
})
