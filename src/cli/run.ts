import * as NodeChildProcessSpawner from "@effect/platform-node-shared/NodeChildProcessSpawner"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as NodeStdio from "@effect/platform-node-shared/NodeStdio"
import * as NodeTerminal from "@effect/platform-node-shared/NodeTerminal"
import { Cause, Effect, Exit, Layer } from "effect"
import { CliConfig, CliError, CliOutput, Command, GlobalFlag } from "effect/cli"
import { asksForJson, plainArguments } from "./argv.ts"
import { backlogCommand } from "./backlogCommand.ts"
import { completions } from "./completions.ts"
import { EndsWith } from "./EndsWith.ts"
import { defectFailure, exitCodes, type Failure, failureOf, invocationFailure } from "./failure.ts"
import { sanitize, sanitizeCause } from "../sql/sanitize.ts"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { withoutSecrets } from "../index.ts"
import { Host } from "./Host.ts"
import { jsonDocument } from "./jsonDocument.ts"
import { pageOf } from "./Page.ts"
import { helpText, presenter } from "./presenter.ts"
import { layerWarnings } from "./logging.ts"
import { manyLines } from "./terminalText.ts"

/**
 * Runs the command line and answers its exit code. With `--json` exactly one JSON document goes to standard output,
 * also when the arguments make no sense; without it errors go to standard error. What fails after a part of its answer
 * was printed leaves that incomplete, and its error goes to standard error in both cases. Errors and everything on standard
 * error have tokens and passwords replaced. Never fails.
 */
export const run = Effect.fnUntraced(function* (argv: ReadonlyArray<string>, outside: Host["Service"]) {
  let hasAnswered = false
  const host: Host["Service"] = {
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
  const words = plainArguments(argv)
  const json = asksForJson(words)
  let overview = ""
  const exit = yield* Command.runWith(backlogCommand, { version: "", renderErrors: false })(words).pipe(
    withoutSecrets,
    Effect.provideService(Host, host),
    Effect.provideService(
      CliOutput.Presenter,
      presenter(host, json, (doc) => {
        overview = helpText(host.stderr, host.env, doc)
      })
    ),
    Effect.provideService(
      CliConfig.CliConfig,
      CliConfig.make({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, completions(host, json)] })
    ),
    Effect.provide(Layer.mergeAll(platform, layerWarnings(host.stderr))),
    Effect.exit
  )
  if (Exit.isSuccess(exit)) return exitCodes.done
  if (Cause.hasInterruptsOnly(exit.cause)) return exitCodes.interrupted
  const ending = Cause.squash(exit.cause)
  if (ending instanceof EndsWith) return ending.exitCode
  const failure = told(ending)
  if (host.env["BACKLOG_DEBUG"] === "1") host.stderr.write(`${manyLines(Cause.pretty(sanitizeCause(exit.cause)))}\n`)
  if (json) {
    const { stderr, stdout } = host
    ;(hasAnswered ? stderr : stdout).write(jsonDocument({ error: sanitize(failure.document) }))
  } else if (failure.message === "") {
    host.stderr.write(overview)
  } else {
    const page = pageOf(host.stderr, host.env)
    host.stderr.write(`${page.red("error:")} ${manyLines(shortened(failure.message))}\n`)
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

const told = (error: unknown): Failure => {
  if (CliError.isCliError(error) && error._tag === "ShowHelp") return invocationFailure(error)
  return failureOf(error) ?? defectFailure(error)
}

/** A message repeats what was given, and that may be long. */
const shortened = (message: string): string => (message.length <= 4000 ? message : `${message.slice(0, 4000)} …`)
