import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { beginningOf } from "../domain/displayText.ts"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { withoutSecrets } from "../index.ts"
import { sanitize, sanitizeCause } from "../sql/sanitize.ts"
import { readVariable } from "./environmentVariables.ts"
import { normalizeArguments, requestsJson } from "./argv.ts"
import { backlogCommand } from "./backlogCommand.ts"
import { ExitWithCode, formatDocument } from "./CommandOutput.ts"
import { defectFailure, exitCodes, type Failure, outputFailure, toFailure, usageFailure } from "./exitCodes.ts"
import { completionsFlag, formatHelp, makeHelpPresenter } from "./help.ts"
import { layerWarnings } from "./logging.ts"
import { OutputLost, ProcessIO } from "./ProcessIO.ts"
import { escapeLines, textStyleOf } from "./terminalText.ts"

/**
 * Runs the command line and returns its exit code. Never fails. With `--json` standard output is exactly one JSON document,
 * also if the arguments are invalid; without it errors go to standard error. If a command fails after a part of its
 * output was printed, the output stays incomplete, and the error goes to standard error in both cases. Tokens and
 * passwords are redacted in errors and on standard error.
 */
export const run = Effect.fnUntraced(function* (argv: ReadonlyArray<string>, outside: ProcessIO["Service"]) {
  let hasAnswered = false
  const io: ProcessIO["Service"] = {
    ...outside,
    stderr: { ...outside.stderr, write: (text) => outside.stderr.write(redactSecrets(text)) },
    stdout: {
      ...outside.stdout,
      write: (text) => {
        hasAnswered = true
        outside.stdout.write(text)
      }
    }
  }
  const args = normalizeArguments(argv)
  const json = requestsJson(args)
  let help = ""
  const exit = yield* Command.runWith(backlogCommand, { version: "", renderErrors: false })(args).pipe(
    withoutSecrets,
    Effect.provideService(ProcessIO, io),
    Effect.provideService(
      CliOutput.Presenter,
      makeHelpPresenter(io, json, (doc) => {
        help = formatHelp(io.stderr, io.env, doc)
      })
    ),
    Effect.provideService(
      CliConfig.CliConfig,
      CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completionsFlag(io, json)] })
    ),
    Effect.provide(Layer.mergeAll(platform, layerWarnings(io.stderr))),
    Effect.exit
  )
  if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return exitCodes.interrupted
  // A command that failed has its own exit code, whether its output is read or not.
  const ended = Exit.isSuccess(exit) ? yield* Effect.exit(io.stdout.drain) : exit
  if (Exit.isSuccess(ended)) return exitCodes.done
  const error = Cause.squash(ended.cause)
  if (error instanceof ExitWithCode) return error.exitCode
  if (error instanceof OutputLost && error.isReaderGone) return exitCodes.readerGone
  const failure = describeFailure(error)
  if (readVariable(io.env, "BACKLOG_DEBUG") === "1")
    io.stderr.write(`${escapeLines(Cause.pretty(sanitizeCause(ended.cause)))}\n`)
  if (json) {
    const { stderr, stdout } = io
    ;(hasAnswered ? stderr : stdout).write(formatDocument({ error: sanitize(failure.document) }))
  } else if (failure.message === "") {
    io.stderr.write(help)
  } else {
    const style = textStyleOf(io.stderr, io.env)
    io.stderr.write(`${style.red("error:")} ${escapeLines(truncateMessage(failure.message))}\n`)
  }
  return failure.exitCode
})

/** The services that the parser needs. */
const platform = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeStdio.layer,
  NodeTerminal.layer,
  NodeChildProcessSpawner.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))
)

const describeFailure = (error: unknown): Failure => {
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return usageFailure(error)
  if (error instanceof OutputLost) return outputFailure(error)
  return toFailure(error) ?? defectFailure(error)
}

/** Truncates a message, because it may repeat long arguments. */
const truncateMessage = (message: string): string =>
  message.length <= 4000 ? message : `${beginningOf(message, 4000)} …`
