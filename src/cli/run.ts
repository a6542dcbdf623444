import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { ProcessIO } from "./ProcessIO.ts"
import { ExitWithCode, formatDocument } from "./CommandOutput.ts"
import { requestsJson, normalizeArguments } from "./argv.ts"
import { backlogCommand } from "./backlogCommand.ts"
import { defectFailure, exitCodes, type Failure, toFailure, usageFailure } from "./failure.ts"
import { layerWarnings } from "./logging.ts"
import { completionsFlag, formatHelp, makeHelpPresenter } from "./help.ts"
import { escapeLines, textStyleOf } from "./terminalText.ts"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { sanitize, sanitizeCause } from "../sql/sanitize.ts"
import { withoutSecrets } from "../index.ts"

/**
 * Runs the command line and answers its exit code. With `--json` exactly one JSON document goes to standard output,
 * also when the arguments make no sense; without it errors go to standard error. What fails after a part of its answer
 * was printed leaves that incomplete, and its error goes to standard error in both cases. Errors and everything on standard
 * error have tokens and passwords replaced. Never fails.
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
  const words = normalizeArguments(argv)
  const json = requestsJson(words)
  let overview = ""
  const exit = yield* Command.runWith(backlogCommand, { version: "", renderErrors: false })(words).pipe(
    withoutSecrets,
    Effect.provideService(ProcessIO, io),
    Effect.provideService(
      CliOutput.Presenter,
      makeHelpPresenter(io, json, (doc) => {
        overview = formatHelp(io.stderr, io.env, doc)
      })
    ),
    Effect.provideService(
      CliConfig.CliConfig,
      CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completionsFlag(io, json)] })
    ),
    Effect.provide(Layer.mergeAll(platform, layerWarnings(io.stderr))),
    Effect.exit
  )
  if (Exit.isSuccess(exit)) return exitCodes.done
  if (Cause.hasInterruptsOnly(exit.cause)) return exitCodes.interrupted
  const ending = Cause.squash(exit.cause)
  if (ending instanceof ExitWithCode) return ending.exitCode
  const failure = describeFailure(ending)
  if (io.env["BACKLOG_DEBUG"] === "1") io.stderr.write(`${escapeLines(Cause.pretty(sanitizeCause(exit.cause)))}\n`)
  if (json) {
    const { stderr, stdout } = io
    ;(hasAnswered ? stderr : stdout).write(formatDocument({ error: sanitize(failure.document) }))
  } else if (failure.message === "") {
    io.stderr.write(overview)
  } else {
    const style = textStyleOf(io.stderr, io.env)
    io.stderr.write(`${style.red("error:")} ${escapeLines(truncateMessage(failure.message))}\n`)
  }
  return failure.exitCode
})

/** What the parser asks for; a command that opens a database opens it itself. */
const platform = Layer.mergeAll(
  NodeFileSystem.layer,
  NodePath.layer,
  NodeStdio.layer,
  NodeTerminal.layer,
  NodeChildProcessSpawner.layer.pipe(Layer.provide([NodeFileSystem.layer, NodePath.layer]))
)

const describeFailure = (error: unknown): Failure => {
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return usageFailure(error)
  return toFailure(error) ?? defectFailure(error)
}

/** A message repeats what was given, and that may be long. */
const truncateMessage = (message: string): string => (message.length <= 4000 ? message : `${message.slice(0, 4000)} …`)
