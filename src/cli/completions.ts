import { Effect, Option } from "effect"
import { Command, Completions, GlobalFlag } from "effect/cli"
import { Actor, Db, Json, SchemaFlag } from "./globals.ts"
import type { Host } from "./Host.ts"
import { jsonDocument } from "./jsonDocument.ts"

type Descriptor = Completions.CommandDescriptor

/** Flags, by their command where not every command means a path by them. */
const paths: ReadonlySet<string> = new Set(["db", "body-file", "anchor-file", "public-key", "anchor key"])

const path = { _tag: "Path", pathType: "either" } as const

/** `--completions SHELL`: prints the script with which a shell completes commands, flags, and what they may be. */
export const completions = (host: Host["Service"], json: boolean) =>
  GlobalFlag.Action({
    flag: GlobalFlag.Completions.flag,
    run: (shell, { command }) =>
      Effect.sync(() => {
        if (Option.isNone(shell)) return
        const script = Completions.generate(command.name, shell.value, described(Completions.fromCommand(command)))
        host.stdout.write(json ? jsonDocument({ data: { shell: shell.value, script } }) : `${script.trimEnd()}\n`)
      })
  })

/** A command with what every command has besides, and with the flags and arguments that are paths as such. */
const described = (command: Descriptor): Descriptor => ({
  ...command,
  flags: [...command.flags, ...everywhere].map((flag) =>
    paths.has(flag.name) || paths.has(`${command.name} ${flag.name}`) ? { ...flag, type: path } : flag
  ),
  arguments: command.arguments.map((argument) => (argument.name === "file" ? { ...argument, type: path } : argument)),
  subcommands: command.subcommands.map(described)
})

const everywhere: Descriptor["flags"] = [
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
