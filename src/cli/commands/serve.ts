import { ConfigProvider, Duration, Effect, Layer, Result } from "effect"
import { Command } from "effect/cli"
import { SqlClient } from "effect/sql"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { withServer } from "../database.ts"
import { exitCodes } from "../failure.ts"
import { nonEmpty, switchFlag, textFlag, integerFlag } from "../flags.ts"
import { layerLogging, logFlags } from "../logging.ts"
import { readKeyFile } from "../readInput.ts"
import { withHelp } from "../defineCommand.ts"
import { trustedProxies } from "../../http/access/forwarding.ts"
import { isOrigin } from "../../http/access/hosts.ts"
import {
  AccessTokens,
  Doctor,
  InvalidInput,
  keepAnchors,
  type KeepAnchorsOptions,
  withoutSecrets
} from "../../index.ts"
import { packageVersion } from "../../services/packageFiles.ts"

/** Longer than the server waits for what is being done when it ends. */
const timeoutMillis = 15_000

export const serveCommand = withHelp(
  Command.make(
    "serve",
    {
      port: integerFlag("port", "The port to listen on (default: 4010; 0 for one that is free)", "PORT"),
      host: textFlag("host", "The address to listen on (default: 127.0.0.1)", "ADDRESS"),
      requireTokens: switchFlag("require-tokens", "Callers must show a token, also where only this machine can reach"),
      trustProxy: switchFlag(
        "trust-proxy",
        "Requires tokens, and takes clients' addresses from the headers of a proxy on this machine"
      ),
      trustProxyFrom: textFlag(
        "trust-proxy-from",
        "The same, from proxies at these addresses and networks",
        "ADDRESS,…"
      ),
      allowHost: textFlag("allow-host", "More names by which the server may be asked for, in headers Host", "NAME,…"),
      allowOrigin: textFlag("allow-origin", "Origins whose pages may ask, https://board.example.com", "ORIGIN,…"),
      rateLimit: integerFlag(
        "rate-limit",
        "Requests of each caller in a second; 0 for no limit (default: 1000 with tokens)"
      ),
      maxConnections: integerFlag("max-connections", "Connections at most (default: 4000)"),
      anchorFile: textFlag("anchor-file", "Append anchors of the log to this file, outside of the database", "PATH"),
      anchorEvery: integerFlag("anchor-every", "Minutes between two anchors, 1 to 10080 (default: 60)", "MINUTES"),
      anchorKey: textFlag("anchor-key", "A file with an Ed25519 private key in PEM, to sign the anchors", "PATH"),
      ...logFlags
    },
    Effect.fnUntraced(function* (input) {
      const anchoring = yield* parseAnchorFlags(input)
      const { allowHost, allowOrigin, host, logFormat, logLevel, maxConnections, port, rateLimit, requireTokens } =
        input
      const { trustProxy, trustProxyFrom } = input
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
          problem: `--allow-origin takes origins like https://board.example.com, and not ${JSON.stringify(wrong)}`
        })
      }
      const proxies = splitList(trustProxyFrom)
      const trusted = trustedProxies(proxies)
      if (Result.isFailure(trusted) || (trustProxyFrom !== undefined && proxies.length === 0)) {
        return yield* new InvalidInput({
          problem: `--trust-proxy-from takes addresses and networks of proxies, 10.0.0.5 or 10.1.0.0/16, and not ${JSON.stringify(Result.isFailure(trusted) ? trusted.failure : trustProxyFrom)}`
        })
      }
      const { onInterrupt, env, stderr } = yield* ProcessIO
      const layerTelemetry = yield* makeTelemetry(env)
      const server = yield* Effect.promise(() => import("../../http/index.ts"))
      const { layerMcpRoutes } = yield* Effect.promise(() => import("../../mcp/index.ts"))
      onInterrupt({ timeoutMillis, exitCode: exitCodes.done })
      return yield* withServer(
        Effect.gen(function* () {
          // Before the server, so that the last anchor is made when the last command is done.
          if (anchoring !== undefined) yield* keepAnchors(anchoring)
          const address = yield* Effect.catchTag(
            server.serve({
              host,
              port,
              tokens: yield* AccessTokens,
              doctor: yield* Doctor,
              requireTokens,
              allowHosts: splitList(allowHost),
              allowOrigins,
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
              new server.ServeRefused({ problem: `it cannot listen on ${on}:${at} (${cause.message})` })
          )
          const answer = makeOutput(
            () => address,
            () => `Listening on ${address.url}`
          )
          yield* print(yield* render(answer))
          yield* Effect.logInfo("The backlog is served.").pipe(Effect.annotateLogs({ url: address.url }))
          yield* Effect.addFinalizer(() => Effect.logInfo("The server has ended."))
          return yield* Effect.never
        }).pipe(Effect.scoped)
      ).pipe(
        withoutSecrets,
        Effect.provide(Layer.provideMerge(layerTelemetry, layerLogging(stderr, logFormat, logLevel)))
      )
    })
  ),
  {
    description:
      "Serves the backlog over HTTP until it is interrupted, then lets what is being done end. What there is to ask is said at /docs and /openapi.json; agents find their tools at /mcp. Where only this machine can reach it anybody may ask; anywhere else callers show a token, which `backlog token create` makes, and without any it does not start.",
    summary: "Serve the backlog over HTTP",
    examples: [
      { command: "backlog serve" },
      { command: "backlog serve --port 0 --json", description: "On a free port, said on standard output" },
      {
        command: "backlog serve --host 0.0.0.0 --allow-host backlog.example.com --log-format json",
        description: "For others, who show tokens"
      },
      {
        command: "backlog serve --trust-proxy --allow-host backlog.example.com",
        description: "Behind a proxy on this machine, for callers who show tokens"
      },
      {
        command: "backlog serve --anchor-file /var/lib/anchors/work.txt --anchor-every 15",
        description: "With an anchor of the log every 15 minutes"
      }
    ]
  }
)

/** How the log is to be anchored, if at all. */
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
      : yield* new InvalidInput({ problem: `--anchor-${lone} needs a file for the anchors: give --anchor-file too` })
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

const splitList = (given: string | undefined): ReadonlyArray<string> =>
  (given ?? "").split(",").flatMap((each) => (each.trim() === "" ? [] : [each.trim()]))

/**
 * Sends traces, logs and metrics to where the usual variables `OTEL_…` say; nothing, and nothing of it is loaded, when
 * they name no endpoint.
 */
const makeTelemetry = Effect.fnUntraced(function* (
  env: ProcessIO["Service"]["env"]
): Effect.fn.Return<Layer.Layer<never>, InvalidInput> {
  const endpoints = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    ...otlpSignals.map((signal) => `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`)
  ]
  const named = endpoints.filter((name) => nonEmpty(env[name]) !== undefined)
  if (named.length === 0 || env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return Layer.empty
  for (const name of named) {
    if (!/^https?:\/\/[^/]/.test(env[name] ?? "") || !URL.canParse(env[name] ?? "")) {
      return yield* new InvalidInput({ problem: `${name} is not an http:// or https:// URL` })
    }
  }
  const protocol = nonEmpty(env["OTEL_EXPORTER_OTLP_PROTOCOL"]) ?? "http/protobuf"
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    return yield* new InvalidInput({ problem: "OTEL_EXPORTER_OTLP_PROTOCOL takes http/protobuf and http/json" })
  }
  const [{ Otlp, OtlpSerialization }, { FetchHttpClient }] = yield* Effect.promise(() =>
    Promise.all([import("effect/observability"), import("effect/http")])
  )
  return Otlp.layerFromConfig({ resource: { serviceVersion: packageVersion() } }).pipe(
    Layer.provide([
      protocol === "http/json" ? OtlpSerialization.layerJson : OtlpSerialization.layerProtobuf,
      FetchHttpClient.layer,
      ConfigProvider.layer(
        ConfigProvider.fromEnv({
          env: Object.fromEntries(
            Object.entries({ ...otlpDefaults, ...env }).flatMap(([name, value]) =>
              nonEmpty(value) === undefined ? [] : [[name, value ?? ""]]
            )
          )
        })
      )
    ])
  )
})

const otlpSignals = ["TRACES", "LOGS", "METRICS"]

/** As the specification of OpenTelemetry has it. */
const otlpDefaults = {
  ...Object.fromEntries(otlpSignals.map((signal) => [`OTEL_${signal}_EXPORTER`, "otlp"])),
  OTEL_SERVICE_NAME: "mosaic-backlog"
}
