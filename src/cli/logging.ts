import { Layer, Logger, References } from "effect"
import { choiceFlag } from "./flags.ts"
import type { OutputStream } from "./ProcessIO.ts"
import { escapeLines } from "./terminalText.ts"

const levels = { debug: "Debug", info: "Info", warning: "Warn", error: "Error" } as const

/** Flags for the log of long-running commands. */
export const logFlags = {
  logFormat: choiceFlag("log-format", ["text", "json"], "Format of the log on standard error. Defaults to text"),
  logLevel: choiceFlag("log-level", ["debug", "info", "warning", "error"], "Minimum level of the log. Defaults to info")
}

/** Logs to an output stream, one line per entry. */
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

/** Writes warnings and errors of commands without a log to an output stream, one line each, without their causes. */
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
