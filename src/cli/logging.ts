import { Layer, Logger, References } from "effect"
import { choiceFlag } from "./flags.ts"
import type { OutputStream } from "./ProcessIO.ts"
import { escapeLines } from "./terminalText.ts"

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

/** How what happens is told, where a command goes on for long. */
export const logFlags = {
  logFormat: choiceFlag("log-format", ["text", "json"], "How standard error tells what happens (default: text)"),
  logLevel: choiceFlag(
    "log-level",
    ["debug", "info", "warning", "error"],
    "From which level on it does (default: info)"
  )
}

/** Logs to an output, a line for each entry. */
export const layerLogging = (
  output: OutputStream,
  format: "text" | "json" = "text",
  level: keyof typeof levels = "info"
): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      Logger.map(format === "json" ? Logger.formatJson : Logger.formatLogFmt, (line) => output.write(`${line}\n`))
    ]),
    Layer.succeed(References.MinimumLogLevel)(levels[level])
  )

/** Writes warnings and errors of commands that keep no log to an output, a line each, without their causes. */
export const layerWarnings = (output: OutputStream): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([
      Logger.make(({ logLevel, message }) => {
        const [text] = Array.isArray(message) ? message : [message]
        output.write(`${logLevel === "Warn" ? "warning" : "error"}: ${escapeLines(String(text))}\n`)
      })
    ]),
    Layer.succeed(References.MinimumLogLevel)(levels.warning)
  )
