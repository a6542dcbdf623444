import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Data, Effect, Layer, Redacted, Result, Schedule, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { request as nodeRequest } from "node:http"
import { afterAll } from "vitest"
import { redactSecrets } from "../../src/domain/redactSecrets.ts"
import { databaseErrorText } from "../../src/sql/databaseErrors.ts"
import { sanitize, sanitizeCause } from "../../src/sql/sanitize.ts"
import { describeJsonProblem, parseExactJson } from "../../src/domain/parseExactJson.ts"
import { layerHttp, serve } from "../../src/http/index.ts"
import { AccessTokens, AuditService, BacklogSchema, BacklogService, withoutSecrets } from "../../src/index.ts"
import { layerMcpRoutes, serveStdio } from "../../src/mcp/index.ts"
import { Worker } from "../../src/worker/index.ts"
import { cli, onServer as onServerPlace, sql as onSql } from "../cli/support.ts"
import { currentClient, tables } from "../support/backlogs.ts"
import { onBothDatabases, onServer } from "../support/databases.ts"
import { capturing } from "./captured.ts"
import { hasNoSecret, spellings, token } from "./tokens.ts"

class Failed extends Data.TaggedError("Failed")<{ readonly message: string; readonly cause?: unknown }> {}

interface RequestParts {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends a request unchanged. `fetch` would change or refuse some. */
const send = (port: number, { body, headers = {}, method = body === undefined ? "GET" : "POST", path }: RequestParts) =>
  Effect.callback<{ readonly status: number; readonly text: string }>((resume) => {
    const sent = nodeRequest({ port, path, method, headers: { "content-type": "application/json", ...headers } })
    sent.on("response", (response) => {
      let text = JSON.stringify(response.headers)
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk
      })
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body)
  })

/** Requests with a text in each possible place. No response may contain it. */
const requestsWith = (text: string): ReadonlyArray<RequestParts> => {
  const json = (value: unknown) => JSON.stringify(value)
  const create = { id: "a", title: "A", actor: "me" }
  return [
    { path: `/${text}` },
    { path: `/get/${text}/x`, method: "DELETE" },
    { path: `/get?id=${text}` },
    { path: `/history?id=${text}` },
    { path: `/stats?api_key=${text}` },
    { path: `/stats?${text}=1` },
    { path: `/events?follow=false&type=${text}` },
    { path: `/${text}?${text}` },
    ...["user-agent", "x-any", "cookie", "referer", "traceparent", "b3", "mcp-session-id", "if-none-match"].map(
      (name) => ({
        path: "/nothing",
        headers: { [name]: text }
      })
    ),
    { path: "/stats", headers: { authorization: `Bearer ${text}` } },
    { path: "/stats", headers: { authorization: text } },
    { path: "/stats", headers: { host: text } },
    { path: "/stats", headers: { origin: `https://${text}` } },
    { path: "/events", headers: { "last-event-id": text } },
    { path: "/create", body: json({ ...create, [text]: 1 }) },
    { path: "/create", body: json({ ...create, priority: text }) },
    { path: "/create", body: json({ ...create, status: text }) },
    { path: "/create", body: `{"id":"a","${text}":1,"${text}":2}` },
    { path: "/create", body: `{"id":${text}}` },
    { path: "/create", body: json(create), headers: { "content-type": text } },
    { path: "/revise", body: json({ id: text, title: "B", actor: text }) },
    { path: "/complete", body: json({ id: text, token: 1, actor: text }) },
    { path: "/link", body: json({ id: "there", dependsOn: text, actor: text }) },
    { path: "/rebuild", body: json({ swapTimeoutMillis: text }) },
    { path: "/verify", body: json({ anchor: text }) },
    { path: "/mcp", body: json({ jsonrpc: "2.0", id: 1, method: text }), headers: { "backlog-actor": "me" } },
    { path: "/mcp", body: json({ jsonrpc: "2.0", id: 1, method: "tools/list" }), headers: { "backlog-role": text } },
    { path: "/mcp", body: `{"jsonrpc":"2.0","id":1,"${text}":1,"${text}":2}`, headers: { "backlog-actor": "me" } }
  ]
}

const initialize = {
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
}

const serving = Effect.gen(function* () {
  const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
  return yield* serve({ port: 0, routes })
})

/** Sends messages to an agent's server and ends when each has a response. */
const exchangeMessages = (actor: string, lines: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    const agent = { role: "orchestrator", actor, owner: actor } as const
    let responses = ""
    let end = (): void => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const input = async function* () {
      yield Buffer.from(`${lines.join("\n")}\n`)
      await ended
    }
    const output = (text: string) =>
      Effect.sync(() => {
        responses += text
        if (responses.split("\n").length > lines.length) end()
      })
    return Effect.map(serveStdio(agent, { input: input(), output }), () => responses)
  })

const marker = "THE-CONTENT-OF-A-CARD"

const hasNoMarker = (text: string, where: string): void => {
  const at = text.indexOf(marker)
  assert.strictEqual(at, -1, `${where}: ${text.slice(Math.max(0, at - 500), at + 100)}`)
}

/** Makes the database refuse cards with certain titles. Each refusal repeats the row in a different way. */
const refusing = Effect.gen(function* () {
  const { cards, schema, sql } = yield* tables
  yield* sql`ALTER TABLE ${cards} ADD CONSTRAINT no_such_title CHECK (title NOT LIKE 'checked%')`
  yield* sql.unsafe(`CREATE FUNCTION ${schema}.complain() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.title LIKE 'raised%' THEN
      RAISE EXCEPTION 'refused: %', NEW.body USING ERRCODE = '55000', DETAIL = NEW.body, HINT = NEW.body, CONSTRAINT = NEW.body;
    END IF;
    IF NEW.title LIKE 'cast%' THEN PERFORM NEW.body::integer; END IF;
    RETURN NEW; END $$`)
  yield* sql.unsafe(
    `CREATE TRIGGER complain BEFORE INSERT ON ${schema}.cards FOR EACH ROW EXECUTE FUNCTION ${schema}.complain()`
  )
})

/** The text that must be in the log for each refusal. */
const refusals: ReadonlyArray<readonly [title: string, says: RegExp]> = [
  ["checked", /23514.*no_such_title|no_such_title.*23514/s],
  ["raised", /55000/],
  ["cast", /22P02/]
]

describe("redactSecrets", () => {
  it.each(spellings)("removes a token that is %s", (_, text) => {
    for (const around of [text, `"${text}"`, `?id=${text}&x=1`, `x${text}.`, JSON.stringify({ text })]) {
      hasNoSecret(redactSecrets(around), around)
      assert.strictEqual(redactSecrets(redactSecrets(around)), redactSecrets(around))
    }
  })

  it("keeps the id of a token and all other text", () => {
    const id = token.split("_")[1]
    assert.strictEqual(redactSecrets(`Revoke "${token}" now.`), `Revoke "mbk_${id}_redacted" now.`)
    const plain = `A token begins with mbk_, and mbk_… is none; ${"0a".repeat(32)} is a hash, https://x/y?a=b@c an address.`
    assert.strictEqual(redactSecrets(plain), plain)
    assert.strictEqual(
      redactSecrets("postgres://me:p@ss@host/db and postgres://host/db?user=me&password=pass&x=1"),
      "postgres://me:***@host/db and postgres://host/db?user=me&password=***&x=1"
    )
  })

  it("keeps long numbers", () => {
    const parsed = parseExactJson(`[0.${"1234567890".repeat(9)}]`)
    const text = Result.isFailure(parsed) ? describeJsonProblem(parsed.failure) : ""
    assert.include(text, "the number 0.12345678901234567890123456789012345… would be changed")
  })

  it("is used in error messages about JSON", () => {
    const parsed = parseExactJson(`{"${token}":1,"${token}":2}`)
    hasNoSecret(Result.isFailure(parsed) ? describeJsonProblem(parsed.failure) : token, "a problem of JSON")
  })

  it("takes linear time for any text", () => {
    for (const part of ["mbk", "m%25", "\\", "%", "0", "0a", "://a:", "_"]) redactSecrets(part.repeat(200_000))
  })
})

describe("a logged value", () => {
  it("contains no token anywhere in a value, and is the same value if there is none", () => {
    const circular: Record<string, unknown> = { token }
    circular["self"] = circular
    class Request {
      readonly url = `/x?y=${token}`
    }
    const error = Object.assign(new Error(`no ${token}`, { cause: new Error(token) }), { field: [token] })
    const values = [
      token,
      [token],
      { [token]: { deep: [token] } },
      new Map([[token, token]]),
      new Set([token]),
      new URL(`http://h/${token}`),
      { toJSON: () => token },
      new Request(),
      error,
      circular,
      Cause.fail(error),
      Cause.die(token)
    ]
    const shown = capturing()
    Effect.runSync(
      shown.around(
        withoutSecrets(Effect.forEach(values, (value) => Effect.logInfo(value).pipe(Effect.annotateLogs({ value }))))
      )
    )
    assert.include(shown.everything(), "redacted")
    const reported = Effect.exit(Effect.withErrorReporting(Effect.fail(error)))
    const before = shown.everything().length
    Effect.runSync(shown.around(withoutSecrets(reported)))
    assert.include(shown.everything().slice(before), "redacted")
    hasNoSecret(shown.everything(), "the log")
    for (const value of ["x", 1, null, undefined, [1, { a: "b" }], new Error("x"), new Date(), Redacted.make(token)]) {
      assert.strictEqual(sanitize(value), value)
    }
    const cause = Cause.fail(new Error("x"))
    assert.strictEqual(sanitizeCause(cause), cause)
  })

  it("is redacted everywhere in a span", () => {
    const shown = capturing()
    const traced = Effect.gen(function* () {
      const other = yield* Effect.makeSpan("other")
      const inside = Effect.gen(function* () {
        const span = yield* Effect.currentSpan
        yield* Effect.annotateCurrentSpan("url.full", `http://h/${token}`)
        yield* Effect.annotateCurrentSpan("parameters", { body: marker })
        span.event(`event ${token}`, 0n, { token })
        span.addLinks([{ span: other, attributes: { token } }])
        return yield* new Failed({ message: token })
      })
      return yield* Effect.withSpan(inside, `span ${token}`, { links: [{ span: other, attributes: { token } }] })
    })
    Effect.runSync(Effect.exit(shown.around(withoutSecrets(traced))))
    assert.include(shown.everything(), "body")
    hasNoSecret(shown.everything(), "a span")
    hasNoMarker(shown.everything(), "a span")
  })

  it("keeps an error's name, fields and stack", () => {
    const error = Object.assign(new TypeError(`no ${token}`), { code: "EX" })
    const shown = sanitize(error) as TypeError & { readonly code: string }
    assert.deepStrictEqual([shown.name, shown.code], ["TypeError", "EX"])
    assert.match(shown.message, /^no mbk_[0-9a-f]{16}_redacted$/)
    assert.include(shown.stack ?? "", "disclosure.test.ts")
  })

  it.each([
    ["42501", "permission denied for table events", {}, true],
    ["57014", "canceling statement due to statement timeout", {}, true],
    ["22P02", `invalid input syntax for type integer: "${marker}"`, {}, false],
    ["23505", `duplicate key value violates unique constraint "${marker}"`, {}, false],
    ["P0001", marker, {}, false],
    ["57014", marker, { routine: "exec_stmt_raise", constraint: marker }, false]
  ] as const)("has the message of SQLSTATE %s only if it repeats no value", (code, message, fields, isShown) => {
    const cause = Object.assign(new Error(message), {
      code,
      severity: "ERROR",
      detail: marker,
      where: marker,
      ...fields
    })
    const error = new SqlError.SqlError({
      reason: new SqlError.UnknownError({ cause, message: "PgConnection: Query failed", operation: "query" })
    })
    const ofCodec = Object.assign(new Error(marker), { _tag: "PgTypesCodecError" })
    const unsent = new SqlError.UnknownError({ cause: ofCodec, message: "PgConnection: Failed to encode query" })
    assert.strictEqual(databaseErrorText(new SqlError.SqlError({ reason: unsent })), unsent.message)
    assert.strictEqual(databaseErrorText(error), isShown ? message : `Postgres refused a statement (SQLSTATE ${code})`)
    for (const each of [error, cause, new Error("x", { cause: error }), Cause.fail(error), Cause.die(cause)]) {
      const shown = capturing()
      Effect.runSync(shown.around(withoutSecrets(Effect.logError(each))))
      Effect.runSync(Effect.exit(shown.around(withoutSecrets(Effect.withSpan(Effect.fail(each), "x")))))
      hasNoMarker(shown.everything(), "the log")
      assert.include(shown.everything(), code)
    }
  })
})

onServer("a token in a wrong place of a request", (test) => {
  test(
    "is repeated in no log, span or error",
    Effect.gen(function* () {
      const program = capturing()
      const { port, url } = yield* program.around(serving)
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "there", title: "There", actor: "me" })
      for (const [index, [name, text]] of spellings.entries()) {
        // The first spelling is sent in every place. The others are distributed over the places.
        const places = requestsWith(text).filter(
          (_, place) => index === 0 || place % (spellings.length - 1) === index - 1
        )
        for (const asked of places) {
          const { status, text: answer } = yield* send(port, asked)
          if (status !== 200 || asked.path === "/mcp") hasNoSecret(answer, `${name}: ${JSON.stringify(asked)}`)
        }
        const client = yield* Effect.orDie(Layer.build(Layer.fresh(layerHttp({ url, token: text }))))
        yield* program.around(Effect.exit(Context.get(client, BacklogService).get(text)))
      }
      assert.isAbove(program.spans().length, 80)
      assert.include(program.everything(), "redacted")
      hasNoSecret(program.everything(), "the output of the program")
    })
  )

  test(
    "is returned unchanged in the text of a card, and its id is in no metric",
    Effect.gen(function* () {
      const program = capturing()
      const { port } = yield* program.around(serving)
      const audit = yield* AuditService
      const body = JSON.stringify({ id: "a", title: token, body: token, actor: "me" })
      yield* send(port, { path: "/create", body })
      const { text } = yield* send(port, { path: "/get?id=a" })
      assert.strictEqual(text.split(token).length, 3)
      yield* audit.advance(token, 0, 1)
      const metrics = yield* send(port, { path: "/metrics" }).pipe(
        Effect.repeat({
          schedule: Schedule.spaced("50 millis"),
          until: ({ text: all }) => all.includes("lag_events{consumer")
        })
      )
      assert.include(metrics.text, "redacted")
      hasNoSecret(metrics.text, "the metrics")
      hasNoSecret(program.everything(), "the output of the program")
    })
  )
})

onServer("another program's secret in a request", (test) => {
  test(
    "is repeated in no log, span or response",
    Effect.gen(function* () {
      const program = capturing()
      const tokens = yield* Layer.build(
        Layer.fresh(AccessTokens.layer).pipe(
          Layer.provide(yield* currentClient),
          Layer.provide(Layer.succeed(BacklogSchema)(yield* BacklogSchema))
        )
      )
      const { port } = yield* program.around(serve({ port: 0, tokens: Context.get(tokens, AccessTokens) }))
      const secret = "of-another-program"
      for (const asked of [
        ...["password", "token", "client_secret", "api_key", "apikey"].map((name) => ({
          path: `/stats?${name}=${secret}`
        })),
        { path: "/stats", headers: { authorization: `Bearer ${secret}` } },
        { path: "/stats", headers: { cookie: `session=${secret}` } }
      ]) {
        assert.notInclude((yield* send(port, asked)).text, secret)
      }
      assert.include(program.everything(), "A request was refused.")
      assert.notInclude(program.everything(), secret)
    })
  )
})

onServer("a token in a wrong place of a tool call", (test) => {
  test(
    "is in no error, and the call's arguments are not logged",
    Effect.gen(function* () {
      const program = capturing()
      const call = (name: string, args: object) => ({ method: "tools/call", params: { name, arguments: args } })
      const calls = [
        initialize,
        { method: token },
        { method: "resources/read", params: { uri: token } },
        { method: "prompts/get", params: { name: token } },
        call(token, {}),
        call("backlog_show", { [token]: 1 }),
        call("backlog_show", { id: `${token} ` }),
        call("backlog_create", { cards: [{ id: "a", title: marker, priority: token }] }),
        call("backlog_create", { cards: [{ id: "b", title: marker, body: marker }] })
      ]
      const lines = calls.map((each, id) => JSON.stringify({ jsonrpc: "2.0", id, ...each }))
      const responses = yield* program.around(exchangeMessages("ann", lines))
      hasNoSecret(responses, "the responses to the agent")
      const { port } = yield* program.around(serving)
      const headers = {
        "backlog-actor": "me",
        "backlog-role": "orchestrator",
        accept: "application/json, text/event-stream"
      }
      const opened = yield* send(port, { path: "/mcp", headers, body: lines[0] ?? "" })
      const session = { ...headers, "mcp-session-id": /"mcp-session-id":"([^"]+)"/.exec(opened.text)?.[1] ?? "" }
      for (const line of lines.slice(1)) {
        const { status, text } = yield* send(port, { path: "/mcp", headers: session, body: line })
        assert.strictEqual(status, 200)
        hasNoSecret(text, line)
      }
      hasNoSecret(program.everything(), "the output of the program")
      hasNoMarker(program.everything(), "the output of the program")
      assert.include(program.everything(), "tools/call")
    })
  )
})

onBothDatabases("a database failure", (test) => {
  test(
    "is logged and traced with codes and names, without the row",
    Effect.gen(function* () {
      const program = capturing()
      yield* refusing
      const { port } = yield* program.around(serving)
      const backlog = yield* BacklogService
      let before = 0
      for (const [title, says] of refusals) {
        const card = { id: title, title: `${title} ${marker}`, body: marker }
        const { status, text } = yield* send(port, {
          path: "/create",
          body: JSON.stringify({ ...card, actor: "me" })
        })
        assert.isAtLeast(status, 500)
        assert.notInclude(text, marker)
        const call = { name: "backlog_create", arguments: { cards: [card] } }
        const headers = {
          "backlog-actor": "me",
          "backlog-role": "orchestrator",
          accept: "application/json, text/event-stream"
        }
        const opened = yield* send(port, {
          path: "/mcp",
          headers,
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...initialize })
        })
        const session = /"mcp-session-id":"([^"]+)"/.exec(opened.text)?.[1] ?? ""
        const toolResponse = yield* send(port, {
          path: "/mcp",
          headers: { ...headers, "mcp-session-id": session },
          body: JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params: call })
        })
        assert.include(toolResponse.text, '"isError":true')
        assert.notInclude(toolResponse.text, marker)
        const everything = program.everything()
        assert.match(everything.slice(before), says)
        before = everything.length
        // The calling program gets the whole error, because the data is its own.
        const error = yield* Effect.flip(backlog.create({ id: title, title: card.title, body: marker, actor: "me" }))
        assert.isTrue(SqlError.isSqlError(error))
      }
      hasNoMarker(program.everything(), "the output of the program")
    })
  )

  test(
    "is traced without the row by the batching fiber and by an agent's server",
    Effect.gen(function* () {
      const program = capturing()
      yield* refusing
      const card = { id: "a", title: `cast ${marker}`, body: marker }
      const built = yield* program.around(
        Layer.build(
          Layer.fresh(BacklogService.layer).pipe(
            Layer.provide(yield* currentClient),
            Layer.provide(Layer.succeed(BacklogSchema)(yield* BacklogSchema))
          )
        )
      )
      const backlog = Context.get(built, BacklogService)
      const error = yield* Effect.flip(backlog.create({ ...card, actor: "me" }))
      assert.include(SqlError.isSqlError(error) ? String(error.reason.cause) : "", marker)
      const call = {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "backlog_create", arguments: { cards: [card] } }
      }
      const lines = [{ jsonrpc: "2.0", id: 0, ...initialize }, call].map((message) => JSON.stringify(message))
      yield* program.around(exchangeMessages("me", lines))
      assert.include(program.everything(), "The database failed.")
      assert.include(program.everything(), "22P02")
      hasNoMarker(program.everything(), "the output of the program")
    })
  )

  test(
    "leaves no row and no token in the reason of a parked event or of a failed attempt",
    Effect.gen(function* () {
      const program = capturing()
      const { sql } = yield* tables
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create({ id: "a", title: "A", actor: "me" })
      const failing = Effect.flatMap(Effect.exit(sql`SELECT ${marker}::text::integer`), (exit) =>
        exit._tag === "Failure" ? Effect.failCause(exit.cause) : Effect.void
      )
      yield* Effect.exit(
        audit.consume({
          consumer: "mailer",
          parkAfter: 1,
          handler: () => Effect.mapError(failing, (error) => new Failed({ message: `with ${token}`, cause: error }))
        })
      )
      const [parked] = yield* audit.parked("mailer")
      assert.include(parked?.reason, "redacted")
      assert.include(parked?.reason, "22P02")
      const handlers: ReadonlyArray<Effect.Effect<void, unknown>> = [
        failing,
        Effect.fail(new Failed({ message: `with ${token}` })),
        Effect.fail({ header: token })
      ]
      for (const [index, handler] of handlers.entries()) {
        yield* backlog.create({ id: `work-${index}`, title: "W", priority: 9, actor: "me" })
        yield* program.around(
          Worker.run({
            owner: "w",
            actor: "w",
            maxCards: 1,
            maxAttempts: 1,
            handler: () => handler,
            onEvent: () => Effect.die(new Error(`heard ${token}`))
          })
        )
      }
      assert.include(program.everything(), "onEvent failed; the worker continues.")
      hasNoSecret(program.everything(), "what the worker logs")
      const events = JSON.stringify(yield* Stream.runCollect(audit.events()))
      for (const text of [parked?.reason ?? "", events]) {
        hasNoSecret(text, "a reason")
        assert.notInclude(text, marker)
      }
      assert.include(events, "22P02")
    })
  )
})

describe("the command line", () => {
  const place = onServerPlace()
  afterAll(place.remove)

  it.live("repeats no token and no password from its arguments", () =>
    Effect.promise(async () => {
      const wrong = (text: string): ReadonlyArray<ReadonlyArray<string>> => [
        [text],
        [`--${text}`],
        ["show", text, ...place.flags],
        ["token", "revoke", text, ...place.flags],
        ["complete", "a", "--token", text, ...place.flags],
        ["show", "a", "--db", `http://127.0.0.1:1/?x=${text}`],
        ["show", "a", "--db", `postgres://me:${text}@127.0.0.1:1/x`],
        ["show", "a", "--db", `/nothing/${text}`],
        ["create", "--id", "a", "--title", "A", "--acceptance", `{"${text}":1,"${text}":2}`, ...place.flags],
        ["import", text, "--format", "beads", ...place.flags],
        ["import", "-", "--strict", ...place.flags],
        ["doctor", "--anchor-file", text, ...place.flags]
      ]
      await cli(["migrate", ...place.flags])
      const [[, whole], [, truncated]] = spellings as [(typeof spellings)[0], (typeof spellings)[0]]
      for (const argv of [...wrong(whole), ...wrong(truncated).map((words) => ["--json", ...words])]) {
        const ran = await cli(argv, { env: { BACKLOG_DEBUG: "1" }, stdin: `{"${whole}":1,"${whole}":2}\n` })
        assert.notStrictEqual(ran.code, 0, argv.join(" "))
        hasNoSecret(ran.stdout + ran.stderr, argv.join(" "))
      }
    })
  )

  it.live("reports a database failure without the row", () =>
    Effect.promise(async () => {
      await onSql((client) =>
        client.unsafe(`ALTER TABLE ${place.schema}.cards ADD CONSTRAINT no_such_title CHECK (title <> '${marker}')`)
      )
      for (const json of [[], ["--json"]]) {
        const ran = await cli([...json, "create", "--id", "a", "--title", marker, "--body", marker, ...place.flags], {
          env: { BACKLOG_DEBUG: "1" }
        })
        assert.strictEqual(ran.code, 1)
        const responses = ran.stdout + ran.stderr
        assert.notInclude(responses, marker)
        assert.include(responses, "23514")
        assert.include(responses, "no_such_title")
      }
    })
  )
})
