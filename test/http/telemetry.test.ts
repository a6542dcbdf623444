import { assert, describe, it } from "@effect/vitest"
import { inject } from "vitest"
import { inDirectory, onServer, type Place } from "../cli/support.ts"
import { collector, type Metric, type Span } from "./support/collector.ts"
import { startServe } from "./support/startServe.ts"

const kinds = { server: 2, client: 3 }

/** The attributes of a span, by name. */
const attributesOf = ({ attributes }: Span): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

/** Runs a server that exports to a receiver, and returns what it received. */
const receive = async (place: Place) => {
  const received = collector()
  const server = await startServe(place.flags, {
    OTEL_EXPORTER_OTLP_ENDPOINT: await received.listen(),
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRIC_EXPORT_INTERVAL: "100"
  })
  const ask = async (path: string, body?: object): Promise<void> => {
    const response = await fetch(`${server.url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
    })
    await response.text()
  }
  await ask("/create", { id: "a", title: "A", actor: "me" })
  await ask("/claim", { owner: "w", actor: "me" })
  await ask("/complete", { id: "a", force: true, actor: "me" })
  // Commands of several callers share a transaction.
  await Promise.all(["b", "c", "d"].map((id) => ask("/create", { id, title: "B", actor: "me" })))
  await ask("/get?id=a")
  await ask("/nowhere/a")
  await ask("/mcp")
  const hasGauge = () =>
    received
      .metrics()
      .some(({ gauge, name }) => name === "backlog_log_position" && gauge?.dataPoints.at(-1)?.asDouble === 6)
  while (!hasGauge()) await new Promise((resolve) => setTimeout(resolve, 20))
  await server.end()
  await received.close()
  await place.remove()
  return { spans: received.spans(), metrics: received.metrics() }
}

const lastOf = (metrics: ReadonlyArray<Metric>, name: string): Metric | undefined =>
  metrics.findLast((metric) => metric.name === name)

const databases = [
  {
    name: "an embedded database",
    place: inDirectory,
    expected: { "db.namespace": "postgres", "server.address": undefined, "server.port": undefined }
  },
  {
    name: "a Postgres server",
    place: () => Promise.resolve(onServer()),
    get expected() {
      const { hostname, pathname, port } = new URL(inject("postgresUrl"))
      return {
        "db.namespace": pathname.slice(1),
        "server.address": hostname,
        "server.port": port === "" ? "5432" : port
      }
    }
  }
]

describe.each(databases)("OpenTelemetry of a server with $name", (database) => {
  let received: Awaited<ReturnType<typeof receive>>

  it("is received", { timeout: 120_000 }, async () => {
    received = await receive(await database.place())
    assert.isNotEmpty(received.spans)
  })

  it("has a span per request, with its method and route, and no other root span", () => {
    const roots = received.spans.filter(({ parentSpanId }) => parentSpanId === undefined || parentSpanId === "")
    assert.deepStrictEqual([...new Set(roots.map(({ name }) => name))].toSorted(), [
      "GET",
      "GET /get",
      "GET /mcp",
      "POST /claim",
      "POST /complete",
      "POST /create"
    ])
    for (const root of roots) {
      assert.strictEqual(root.kind, kinds.server)
      const attributes = attributesOf(root)
      const [method, route] = root.name.split(" ")
      assert.deepInclude(attributes, {
        "http.request.method": method,
        ...(route === undefined ? {} : { "http.route": route })
      })
      assert.match(String(attributes["url.path"]), /^\/[a-z]+/)
      assert.isDefined(attributes["http.response.status_code"])
    }
  })

  it("has the statements of a command in the command's trace, or in one that is linked to it", () => {
    for (const name of ["Create", "Claim", "Complete"]) {
      const commands = received.spans.filter((span) => span.name === `BacklogService.${name}`)
      assert.isNotEmpty(commands)
      for (const command of commands) {
        const linked = new Set([command.traceId, ...(command.links ?? []).map(({ traceId }) => traceId)])
        const statements = received.spans.filter(({ kind, traceId }) => kind === kinds.client && linked.has(traceId))
        assert.include(
          statements.map((each) => String(attributesOf(each)["db.query.text"])).join("\n"),
          "lock_and_load",
          name
        )
      }
    }
  })

  it("names the server, the port and the database of each statement", () => {
    const statements = received.spans.filter(({ kind }) => kind === kinds.client)
    assert.isNotEmpty(statements)
    for (const statement of statements) {
      const attributes = attributesOf(statement)
      const found = Object.fromEntries(
        Object.keys(database.expected).map((name) => [
          name,
          attributes[name] === undefined ? undefined : String(attributes[name] as string | number)
        ])
      )
      assert.deepStrictEqual(found, database.expected)
      assert.strictEqual(attributes["db.system.name"], "postgresql")
    }
  })

  it("has durations in seconds, and the gauges of /metrics", () => {
    for (const name of ["backlog_command_duration_seconds", "backlog_read_duration_seconds"]) {
      const duration = lastOf(received.metrics, name)
      assert.strictEqual(duration?.unit, "s")
      for (const { sum } of duration?.histogram?.dataPoints ?? []) assert.isBelow(sum, 60)
    }
    for (const name of ["backlog_log_position", "backlog_cards", "backlog_claimable_cards", "backlog_database_up"]) {
      assert.isNotEmpty(lastOf(received.metrics, name)?.gauge?.dataPoints, name)
    }
    assert.strictEqual(lastOf(received.metrics, "process_resident_memory_bytes")?.unit, "By")
  })
})
