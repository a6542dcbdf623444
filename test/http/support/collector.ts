import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string }
}

/** A span as OTLP has it. */
export interface Span {
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly attributes: ReadonlyArray<Attribute>
  readonly traceId: string
  readonly parentSpanId?: string
  readonly links?: ReadonlyArray<{ readonly traceId: string }>
}

/** A metric as OTLP has it. */
export interface Metric {
  readonly name: string
  readonly unit: string
  readonly gauge?: { readonly dataPoints: ReadonlyArray<{ readonly asDouble?: number }> }
  readonly histogram?: { readonly dataPoints: ReadonlyArray<{ readonly sum: number }> }
}

interface Export {
  readonly resourceSpans?: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }>
  }>
  readonly resourceMetrics?: ReadonlyArray<{
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<Metric> }>
  }>
}

/** Records the requests that an OpenTelemetry exporter sends. */
export const collector = () => {
  const bodies: Array<string> = []
  const paths = new Set<string>()
  const server: Server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (chunk: string) => {
      body += chunk
    })
    request.on("end", () => {
      paths.add(request.url ?? "")
      bodies.push(body)
      response.end("{}")
    })
  })
  const exports = (): ReadonlyArray<Export> => bodies.map((body) => JSON.parse(body) as Export)
  return {
    bodies,
    paths,
    listen: () =>
      new Promise<string>((resolve) => {
        server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
      }),
    close: () => new Promise((resolve) => server.close(resolve)),
    spans: (): ReadonlyArray<Span> =>
      exports().flatMap(({ resourceSpans = [] }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      ),
    metrics: (): ReadonlyArray<Metric> =>
      exports().flatMap(({ resourceMetrics = [] }) =>
        resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      )
  }
}
