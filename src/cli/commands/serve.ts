import { ConfigProvider, Duration, Effect, Layer, Result } from "effect"
import { Command } from "effect/cli"
import { SqlClient } from "effect/sql"
import type { BoardMode } from "../../http/index.ts"
import { trustedProxies } from "../../http/access/forwarding.ts"
import { isLoopback, isOrigin } from "../../http/access/hosts.ts"
import {
  AccessTokens,
  Doctor,
  InvalidInput,
  keepAnchors,
  type KeepAnchorsOptions,
  withoutSecrets
} from "../../index.ts"
import { packageVersion } from "../../services/packageFiles.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { requireDatabase, withServer } from "../database.ts"
import { withHelp } from "../defineCommand.ts"
import { exitCodes } from "../exitCodes.ts"
import { type EnvironmentVariable, readVariable } from "../environmentVariables.ts"
import { choiceFlag, integerFlag, switchFlag, textFlag } from "../flags.ts"
import { layerLogging, logFlags } from "../logging.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { readKeyFile } from "../readInput.ts"

/** Longer than the server waits for running requests when it shuts down. */
const timeoutMillis = 15_000

export const serveCommand = withHelp(
  Command.make(
    "serve",
    {
      port: integerFlag("port", "Port to listen on. 0 selects a free port. Defaults to 4010", "PORT"),
      host: textFlag("host", "Address to listen on. Defaults to 127.0.0.1", "ADDRESS"),
      requireTokens: switchFlag("require-tokens", "Require tokens from all callers, also on a loopback address"),
      trustProxy: switchFlag(
        "trust-proxy",
        "Require tokens, and read clients' addresses from the headers of a proxy on this machine"
      ),
      trustProxyFrom: textFlag(
        "trust-proxy-from",
        "Like --trust-proxy, for proxies at these addresses and networks",
        "ADDRESS,…"
      ),
      allowHost: textFlag("allow-host", "Additional host names that requests may use in the Host header", "NAME,…"),
      allowOrigin: textFlag(
        "allow-origin",
        "Origins whose pages may send requests, such as https://board.example.com",
        "ORIGIN,…"
      ),
      board: choiceFlag(
        "board",
        ["read", "write", "off"],
        "The board at /, a page for people, and what it may do without a token. Pages of this server may read, or read and write, or the board is off. Defaults to read"
      ),
      rateLimit: integerFlag(
        "rate-limit",
        "Maximum requests per second of each caller. 0 disables the limit. Defaults to 1000 with tokens"
      ),
      maxConnections: integerFlag("max-connections", "Maximum number of connections. Defaults to 4000"),
      anchorFile: textFlag("anchor-file", "Append anchors of the log to this file, outside the database", "PATH"),
      anchorEvery: integerFlag("anchor-every", "Minutes between two anchors, 1 to 10080. Defaults to 60", "MINUTES"),
      anchorKey: textFlag("anchor-key", "PEM file with an Ed25519 private key that signs the anchors", "PATH"),
      ...logFlags
    },
    Effect.fnUntraced(function* (input) {
      yield* requireDatabase("serve")
      const anchoring = yield* parseAnchorFlags(input)
      const { allowHost, allowOrigin, host, logFormat, logLevel, maxConnections, port, rateLimit, requireTokens } =
        input
      const { board, trustProxy, trustProxyFrom } = input
      if (port !== undefined && (port < 0 || port > 65_535)) {
        return yield* new InvalidInput({ problem: "--port takes 0 to 65535" })
      }
      if (maxConnections !== undefined && maxConnections < 1) {
        return yield* new InvalidInput({ problem: "--max-connections takes 1 or more" })
      }
      if (rateLimit !== undefined && rateLimit < 0) {
        return yield* new InvalidInput({ problem: "--rate-limit takes 0 or more" })
      }
      const allowOrigins = splitList(allowOrigin)
      const wrong = allowOrigins.find((origin) => !isOrigin(origin))
      if (wrong !== undefined) {
        return yield* new InvalidInput({
          problem: `--allow-origin takes origins like https://board.example.com, not ${JSON.stringify(wrong)}`
        })
      }
      const proxies = splitList(trustProxyFrom)
      const trusted = trustedProxies(proxies)
      if (Result.isFailure(trusted) || (trustProxyFrom !== undefined && proxies.length === 0)) {
        return yield* new InvalidInput({
          problem: `--trust-proxy-from takes addresses and networks of proxies, 10.0.0.5 or 10.1.0.0/16, not ${JSON.stringify(Result.isFailure(trusted) ? trusted.failure : trustProxyFrom)}`
        })
      }
      const { onInterrupt, env, stderr } = yield* ProcessIO
      const { gaugeInterval, layer: layerTelemetry } = yield* makeTelemetry(env)
      const server = yield* Effect.promise(() => import("../../http/index.ts"))
      const { RequestTracing } = yield* Effect.promise(() => import("../../http/node/listen.ts"))
      const { layerMcpRoutes } = yield* Effect.promise(() => import("../../mcp/index.ts"))
      onInterrupt({ timeoutMillis, exitCode: exitCodes.done })
      return yield* withServer(
        "serve",
        Effect.gen(function* () {
          // Started before the server, so that the last anchor is written after the last command.
          if (anchoring !== undefined) yield* keepAnchors(anchoring)
          const address = yield* Effect.catchTag(
            server.serve({
              host,
              port,
              tokens: yield* AccessTokens,
              doctor: yield* Doctor,
              gaugeInterval,
              requireTokens,
              allowHosts: splitList(allowHost),
              allowOrigins,
              board,
              maxConnections,
              routes: Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient)),
              trustProxy: proxies.length > 0 ? proxies : trustProxy,
              rateLimit:
                rateLimit === undefined
                  ? undefined
                  : rateLimit === 0
                    ? "none"
                    : { perSecond: rateLimit, burst: 2 * rateLimit }
            }),
            "ListenFailed",
            ({ cause, host: on, port: at }) =>
              new server.ServeRefused({
                problem: `it cannot listen on ${on}:${at} (${cause.message}). --port and --host select another address`
              })
          )
          const requiresTokens = requireTokens || trustProxy || proxies.length > 0 || !isLoopback(address.host)
          const output = makeOutput(
            () => address,
            () =>
              [`Listening on ${address.url}`, ...describeBoard(address.board, { mode: board, requiresTokens })].join(
                "\n"
              )
          )
          // The server also runs without a reader of its address.
          yield* Effect.ignore(print(yield* render(output)))
          yield* Effect.logInfo("The backlog is served.").pipe(Effect.annotateLogs({ url: address.url }))
          yield* Effect.addFinalizer(() => Effect.logInfo("The server has ended."))
          return yield* Effect.never
        }).pipe(Effect.scoped)
      ).pipe(
        // Traces begin at requests, not at the start of the server or its background work.
        Effect.provideService(RequestTracing, true),
        Effect.withTracerEnabled(false),
        withoutSecrets,
        Effect.provide(Layer.provideMerge(layerTelemetry, layerLogging(stderr, logFormat, logLevel)))
      )
    })
  ),
  {
    description:
      "Serves the backlog over HTTP until it is interrupted, then waits for running requests. / is the board, a page for people. /docs and /openapi.json document the API, and /mcp serves tools to agents. On a loopback address tokens are optional. On other addresses callers need a token from `backlog token create`, and the server does not start without any token.",
    summary: "Serve the backlog over HTTP",
    examples: [
      { command: "backlog serve" },
      { command: "backlog serve --port 0 --json", description: "Prints the free port that it selected" },
      {
        command: "backlog serve --host 0.0.0.0 --allow-host backlog.example.com --log-format json",
        description: "For other machines, with tokens"
      },
      {
        command: "backlog serve --trust-proxy --allow-host backlog.example.com",
        description: "Behind a proxy on this machine, with tokens"
      },
      {
        command: "backlog serve --anchor-file /var/lib/anchors/work.txt --anchor-every 15",
        description: "Writes an anchor of the log every 15 minutes"
      }
    ]
  }
)

/** Parses the anchor flags. Returns `undefined` if no anchors are kept. */
const parseAnchorFlags = Effect.fnUntraced(function* (flags: {
  readonly anchorFile: string | undefined
  readonly anchorEvery: number | undefined
  readonly anchorKey: string | undefined
}): Effect.fn.Return<KeepAnchorsOptions | undefined, InvalidInput> {
  const { anchorEvery = 60, anchorFile, anchorKey } = flags
  if (anchorFile === undefined) {
    const lone = flags.anchorEvery !== undefined ? "every" : anchorKey !== undefined ? "key" : undefined
    return lone === undefined
      ? undefined
      : yield* new InvalidInput({ problem: `--anchor-${lone} requires --anchor-file` })
  }
  if (anchorEvery < 1 || anchorEvery > 10_080) {
    return yield* new InvalidInput({ problem: "--anchor-every takes 1 to 10080 minutes" })
  }
  return {
    file: anchorFile,
    every: Duration.minutes(anchorEvery),
    privateKey: anchorKey === undefined ? undefined : yield* readKeyFile("anchor-key", anchorKey, "private")
  }
})

/** Describes the board of a server. Returns no line if it is not served. */
const describeBoard = (
  address: string | undefined,
  { mode = "read", requiresTokens }: { readonly mode: BoardMode | undefined; readonly requiresTokens: boolean }
): ReadonlyArray<string> => {
  if (address === undefined) return []
  const limit = requiresTokens
    ? " (it asks for a token)"
    : mode === "read"
      ? " (it only reads; --board=write lets it change the backlog)"
      : ""
  return [`The board is at ${address}${limit}`]
}

const splitList = (given: string | undefined): ReadonlyArray<string> =>
  (given ?? "").split(",").flatMap((each) => (each.trim() === "" ? [] : [each.trim()]))

/** The export of traces, logs and metrics. */
interface Telemetry {
  readonly layer: Layer.Layer<never>
  /** The interval at which gauges are measured. `undefined` if metrics are not exported. */
  readonly gaugeInterval: Duration.Duration | undefined
}

const noTelemetry: Telemetry = { layer: Layer.empty, gaugeInterval: undefined }

/**
 * Exports traces, logs and metrics as the `OTEL_…` variables configure it. Loads no exporter if they name no endpoint.
 */
const makeTelemetry = Effect.fnUntraced(function* (
  env: ProcessIO["Service"]["env"]
): Effect.fn.Return<Telemetry, InvalidInput> {
  const endpoints: ReadonlyArray<EnvironmentVariable> = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    ...otlpSignals.map((signal) => `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT` as const)
  ]
  const named = endpoints.filter((name) => readVariable(env, name) !== undefined)
  if (named.length === 0 || readVariable(env, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return noTelemetry
  for (const name of named) {
    const url = readVariable(env, name) ?? ""
    if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
      return yield* new InvalidInput({ problem: `${name} is not an http:// or https:// URL` })
    }
  }
  const protocol = readVariable(env, "OTEL_EXPORTER_OTLP_PROTOCOL") ?? "http/protobuf"
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    return yield* new InvalidInput({ problem: "OTEL_EXPORTER_OTLP_PROTOCOL takes http/protobuf or http/json" })
  }
  const [{ Otlp, OtlpSerialization }, { FetchHttpClient }] = yield* Effect.promise(() =>
    Promise.all([import("effect/observability"), import("effect/http")])
  )
  const layer = Otlp.layerFromConfig({ resource: { serviceVersion: packageVersion() } }).pipe(
    Layer.provide([
      protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf,
      FetchHttpClient.layer,
      ConfigProvider.layer(
        ConfigProvider.fromEnv({
          env: Object.fromEntries(
            Object.entries({ ...otlpDefaults, ...env }).flatMap(([name, value]) =>
              value === undefined || value === "" ? [] : [[name, value]]
            )
          )
        })
      )
    ])
  )
  const exportsMetrics =
    readVariable(env, "OTEL_METRICS_EXPORTER") !== "none" && named.some((name) => !/_(?:TRACES|LOGS)_/.test(name))
  const millis = Number(readVariable(env, "OTEL_METRIC_EXPORT_INTERVAL") ?? defaultExportIntervalMillis)
  return {
    layer,
    gaugeInterval: exportsMetrics ? Duration.millis(millis > 0 ? millis : defaultExportIntervalMillis) : undefined
  }
})

/** The interval of the export of metrics, by the OpenTelemetry specification. */
const defaultExportIntervalMillis = 60_000

const otlpSignals = ["TRACES", "LOGS", "METRICS"] as const

/** Defaults of the OpenTelemetry specification. */
const otlpDefaults = {
  ...Object.fromEntries(otlpSignals.map((signal) => [`OTEL_${signal}_EXPORTER`, "otlp"])),
  OTEL_SERVICE_NAME: "mosaic-backlog"
}
