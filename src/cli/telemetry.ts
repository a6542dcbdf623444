import { ConfigProvider, Effect, Layer } from "effect"
import { InvalidInput } from "../index.ts"
import { nonEmpty } from "./globals.ts"
import type { Host } from "./Host.ts"
import { packageVersion } from "../services/packageFiles.ts"

const signals = ["TRACES", "LOGS", "METRICS"]

/**
 * Sends traces, logs and metrics to where the usual variables `OTEL_…` say; nothing, and nothing of it is loaded, when
 * they name no endpoint.
 */
export const telemetry = Effect.fnUntraced(function* (
  env: Host["Service"]["env"]
): Effect.fn.Return<Layer.Layer<never>, InvalidInput> {
  const endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", ...signals.map((signal) => `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`)]
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
            Object.entries({ ...defaults, ...env }).flatMap(([name, value]) =>
              nonEmpty(value) === undefined ? [] : [[name, value ?? ""]]
            )
          )
        })
      )
    ])
  )
})

/** As the specification of OpenTelemetry has it. */
const defaults = {
  ...Object.fromEntries(signals.map((signal) => [`OTEL_${signal}_EXPORTER`, "otlp"])),
  OTEL_SERVICE_NAME: "mosaic-backlog"
}
