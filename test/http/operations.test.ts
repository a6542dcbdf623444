import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { cli, json, onServer, sql } from "../cli/support.ts"
import { collector } from "./support/collector.ts"
import { startServe } from "./support/startServe.ts"

describe("a running server", () => {
  const place = onServer()
  const received = collector()
  let server: Awaited<ReturnType<typeof startServe>>
  let token = ""
  let ended = false

  const ask = (path: string, body?: unknown, shown = token): Promise<Response> =>
    fetch(`${server.url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(shown === "" ? {} : { authorization: `Bearer ${shown}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })

  const statusOf = async (path: string, shown?: string): Promise<number> => {
    const response = await ask(path, undefined, shown)
    await response.text()
    return response.status
  }

  beforeAll(async () => {
    await cli(["migrate", ...place.flags])
    const made = await json(["token", "create", "--actor", "planner", "--role", "orchestrator", ...place.flags])
    token = made.data.token
    server = await startServe([...place.flags, "--require-tokens", "--log-format", "json", "--log-level", "debug"], {
      OTEL_EXPORTER_OTLP_ENDPOINT: await received.listen(),
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_SERVICE_NAME: "the-backlog"
    })
  }, 60_000)

  afterAll(async () => {
    if (!ended) await server.end()
    await received.close()
    await place.remove()
  })

  it("reports liveness and readiness to every caller and metrics to callers with a token", async () => {
    assert.deepStrictEqual(
      await Promise.all(["/healthz", "/readyz", "/metrics"].map((path) => statusOf(path, ""))),
      [200, 200, 401]
    )
    assert.strictEqual(await statusOf("/metrics"), 200)
  })

  it("exports metrics of commands by outcome and of the backlog", async () => {
    for (const [path, body] of [
      ["/create", { id: "a", title: "A" }],
      ["/create", { id: "a", title: "A" }],
      ["/create", { id: "b", title: "B", dependsOn: ["a"] }],
      ["/claim", { owner: "w" }],
      ["/claim", { owner: "w" }],
      ["/complete-many", { completions: [{ id: "a", token: 99 }, { id: "nothing" }] }]
    ] as const) {
      await (await ask(path, body)).text()
    }
    let metrics = ""
    // Gauges are cached for one second.
    while (!metrics.includes("backlog_log_position 3")) {
      const response = await ask("/metrics")
      assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
      metrics = await response.text()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    for (const line of [
      /^# TYPE backlog_commands_total counter$/m,
      /^backlog_commands_total\{command="Create",outcome="done"\} 2$/m,
      /^backlog_commands_total\{command="Create",outcome="CardAlreadyExists"\} 1$/m,
      /^backlog_commands_total\{command="Claim",outcome="done"\} 1$/m,
      /^backlog_commands_total\{command="Claim",outcome="nothing"\} 1$/m,
      /^backlog_commands_total\{command="Complete",outcome="ClaimLost"\} 1$/m,
      /^backlog_commands_total\{command="Complete",outcome="CardNotFound"\} 1$/m,
      /^# TYPE backlog_command_duration_seconds histogram$/m,
      /^backlog_command_duration_seconds_count\{command="Create"\} 3$/m,
      /^backlog_batch_commands_bucket\{le="1"\} [1-9]/m,
      /^backlog_cards\{status="claimed"\} 1$/m,
      /^backlog_waiting_cards 1$/m,
      /^backlog_claimable_cards 0$/m,
      /^backlog_database_up 1$/m,
      /^backlog_database_connections\{state="active"\} [1-9]/m,
      /^backlog_http_refused_total\{reason="Unauthorized"\} [1-9]/m
    ]) {
      assert.match(metrics, line)
    }
  })

  it("is not ready when a migration's checksum does not match", async () => {
    const checksum = (value: string) =>
      sql((client) => client`UPDATE ${client(`${place.schema}.migrations`)} SET checksum = ${value} WHERE id = 2`)
    const [row] = await sql(
      (client) =>
        client<{ readonly checksum: string }>`SELECT checksum FROM ${client(`${place.schema}.migrations`)} WHERE id = 2`
    )
    await checksum("x")
    while ((await statusOf("/readyz")) !== 503) await new Promise((resolve) => setTimeout(resolve, 50))
    const problem = (await (await ask("/readyz")).json()) as { readonly _tag: string; readonly detail: string }
    assert.deepStrictEqual([problem._tag, /0002_read_model/.test(problem.detail)], ["NotReady", true])
    assert.strictEqual(await statusOf("/healthz"), 200)
    await checksum(row?.checksum ?? "")
    while ((await statusOf("/readyz")) !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
  })

  it("exports a span per command and no secrets", async () => {
    await (await ask("/stats?token=" + token)).text()
    await (await ask("/claim", { owner: "w", secret: 1 }, `${token.slice(0, -1)}x`)).text()
    ended = true
    await server.end()
    assert.includeMembers([...received.paths], ["/v1/traces", "/v1/logs", "/v1/metrics"])
    const claims = received.spans().filter(({ name }) => name === "BacklogService.Claim")
    assert.deepStrictEqual(
      claims.map(({ attributes }) => attributes.find(({ key }) => key === "backlog.outcome")?.value.stringValue),
      ["done", "nothing"]
    )
    const parents = new Set(
      received
        .spans()
        .filter(({ name }) => name === "POST /claim")
        .map(({ traceId }) => traceId)
    )
    assert.isTrue(claims.every(({ traceId }) => parents.has(traceId)))
    assert.include(received.bodies.join("\n"), "the-backlog")
    const lines = server.logs().trimEnd().split("\n")
    const entries = lines.map((line) => JSON.parse(line) as { readonly level: string; readonly message: unknown })
    assert.includeMembers(
      entries.map(({ level }) => level),
      ["INFO", "DEBUG"]
    )
    const secret = token.split("_")[2] ?? ""
    assert.lengthOf(secret, 64)
    for (const output of [...received.bodies, server.logs()]) assert.notInclude(output, secret)
  })
})

describe("backlog serve", () => {
  const place = onServer()
  afterAll(place.remove)

  it("refuses options that expose the backlog or are invalid", async () => {
    const wrong: ReadonlyArray<readonly [number, string, ReadonlyArray<string>, Readonly<Record<string, string>>?]> = [
      [5, "ServeRefused", ["--host", "0.0.0.0", "--port", "0"]],
      [5, "ServeRefused", ["--host", "192.0.2.1", "--port", "0", "--require-tokens"]],
      [2, "InvalidInput", ["--port", "70000"]],
      [2, "InvalidInput", ["--max-connections", "0"]],
      [2, "InvalidInput", ["--allow-origin", "board.example.com"]],
      [2, "InvalidInput", ["--allow-origin", "https://board.example.com/"]],
      [2, "InvalidInput", [], { OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }],
      [2, "InvalidInput", [], { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }]
    ]
    for (const [code, tag, argv, env = {}] of wrong) {
      const refused = await json(["serve", ...argv, ...place.flags], { env })
      assert.deepStrictEqual(
        [argv, refused.code, refused.error?._tag],
        [argv, code, tag],
        JSON.stringify(refused.error)
      )
    }
  })

  it("reports the address on which it cannot listen", async () => {
    const taken = createServer()
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, "127.0.0.1", () => resolve((taken.address() as AddressInfo).port))
    })
    const refused = await cli(["serve", "--port", String(port), ...place.flags])
    await new Promise((resolve) => taken.close(resolve))
    assert.strictEqual(refused.code, 5)
    assert.match(refused.stderr, /cannot listen on 127\.0\.0\.1:\d+ .*EADDRINUSE/)
  })
})
