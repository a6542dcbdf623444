import { type Fiber, Layer, Logger, References } from "effect"
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
      Logger.map(withOneMessage(format === "json" ? Logger.formatJson : Logger.formatLogFmt), (line) =>
        output.write(`${line}\n`)
      )
    ]),
    Layer.succeed(References.MinimumLogLevel)(levels[level])
  )

/** Gives each entry one message. Code of others may log several values: those after the first become the field `details`. */
const withOneMessage = <Output>(logger: Logger.Logger<unknown, Output>): Logger.Logger<unknown, Output> =>
  Logger.make((options) => {
    const [message, ...details] = Array.isArray(options.message) ? options.message : [options.message]
    return logger.log(
      details.length === 0 ? options : { ...options, message: [message], fiber: withDetails(options.fiber, details) }
    )
  })

/** The fiber that a logger receives, with one more annotation. */
const withDetails = (
  fiber: Fiber.Fiber<unknown, unknown>,
  details: ReadonlyArray<unknown>
): Fiber.Fiber<unknown, unknown> => {
  const annotations = { ...fiber.getRef(References.CurrentLogAnnotations), details }
  const getRef = (reference: unknown): unknown =>
    reference === References.CurrentLogAnnotations ? annotations : fiber.getRef(reference as never)
  return Object.create(fiber, { getRef: { value: getRef } }) as Fiber.Fiber<unknown, unknown>
}

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
