import { Effect, Option } from "effect"
import { CliOutput, Command, Completions, GlobalFlag, type HelpDoc } from "effect/cli"
import { packageVersion } from "../services/packageFiles.ts"
import { formatDocument } from "./CommandOutput.ts"
import { Actor, Db, Json, SchemaFlag } from "./flags.ts"
import type { OutputStream, ProcessIO } from "./ProcessIO.ts"
import { hasColors } from "./terminalText.ts"

/**
 * Prints requested help and the version. Passes help that was not requested to `onImplicitHelp`; errors in the arguments
 * are reported like all other errors.
 */
export const makeHelpPresenter = (
  io: ProcessIO["Service"],
  json: boolean,
  onImplicitHelp: (doc: HelpDoc.HelpDoc) => void
): CliOutput.Presenter => ({
  present: (event) =>
    Effect.sync(() => {
      if (event._tag === "Version") {
        const version = packageVersion()
        io.stdout.write(json ? formatDocument({ data: { name: event.name, version } }) : `${event.name} ${version}\n`)
      } else if (event._tag === "Help" && event.reason === "Requested") {
        io.stdout.write(
          json ? formatDocument({ data: encodeHelp(event.helpDoc) }) : formatHelp(io.stdout, io.env, event.helpDoc)
        )
      } else if (event._tag === "Help") {
        onImplicitHelp(event.helpDoc)
      }
    })
})

/** Formats help as text. */
export const formatHelp = (output: OutputStream, env: ProcessIO["Service"]["env"], doc: HelpDoc.HelpDoc): string =>
  `${CliOutput.defaultFormatter({ colors: hasColors(output, env) }).formatHelpDoc(doc)}\n`

const encodeHelp = (doc: HelpDoc.HelpDoc) => ({
  usage: doc.usage,
  description: doc.description,
  arguments: (doc.args ?? []).map(({ description, name, required, variadic }) => ({
    name,
    required,
    variadic,
    description: Option.getOrNull(description)
  })),
  flags: [...doc.flags, ...(doc.globalFlags ?? [])].map(({ description, name, required, type }) => ({
    name: `--${name}`,
    type,
    // Effect reports a flag that can be given any number of times as required.
    required: required && !Option.exists(description, (text) => /\bRepeatable\b/.test(text)),
    description: Option.getOrNull(description)
  })),
  commands: (doc.subcommands ?? []).flatMap(({ commands }) =>
    commands.map(({ description, name, shortDescription }) => ({ name, description: shortDescription ?? description }))
  ),
  examples: doc.examples ?? []
})

type Descriptor = Completions.CommandDescriptor

/** Flags whose value is a path, with the command's name where the flag means a path only there. */
const pathFlags: ReadonlySet<string> = new Set(["db", "body-file", "anchor-file", "public-key", "anchor key"])

const path = { _tag: "Path", pathType: "either" } as const

/** `--completions SHELL`: prints a script that completes commands, flags and their values. */
export const completionsFlag = (io: ProcessIO["Service"], json: boolean) =>
  GlobalFlag.Action({
    flag: GlobalFlag.Completions.flag,
    run: (shell, { command }) =>
      Effect.sync(() => {
        if (Option.isNone(shell)) return
        const script = Completions.generate(
          command.name,
          shell.value,
          describeForCompletion(Completions.fromCommand(command))
        )
        io.stdout.write(json ? formatDocument({ data: { shell: shell.value, script } }) : `${script.trimEnd()}\n`)
      })
  })

/** Adds the global flags to a command, and marks flags and arguments that are paths. */
const describeForCompletion = (command: Descriptor): Descriptor => ({
  ...command,
  flags: [...command.flags, ...globalFlags].map((flag) =>
    pathFlags.has(flag.name) || pathFlags.has(`${command.name} ${flag.name}`) ? { ...flag, type: path } : flag
  ),
  arguments: command.arguments.map((argument) => (argument.name === "file" ? { ...argument, type: path } : argument)),
  subcommands: command.subcommands.map(describeForCompletion)
})

const globalFlags: Descriptor["flags"] = [
  ...Completions.fromCommand(
    Command.make("every", { db: Db.flag, schema: SchemaFlag.flag, actor: Actor.flag, json: Json.flag })
  ).flags,
  {
    name: "help",
    aliases: ["h"],
    description: "Show help information",
    type: { _tag: "Boolean" },
    negation: false
  }
]
