import { Effect } from "effect"
import { commandAliases } from "../../src/cli/argv.ts"
import { backlogCommand } from "../../src/cli/backlogCommand.ts"
import type { OutputStream, ProcessIO } from "../../src/cli/ProcessIO.ts"
import { run } from "../../src/cli/run.ts"

/** A flag as the help has it. */
export interface FlagHelp {
  readonly name: string
  /** The argument, `<SECONDS>`, or `boolean` for a switch. */
  readonly type: string
  readonly required: boolean
  readonly description: string | null
}

/** An argument as the help has it. */
interface ArgumentHelp {
  readonly name: string
  readonly required: boolean
  readonly variadic: boolean
  readonly description: string | null
}

/** The help of a command. */
export interface CommandHelp {
  /** `token create`; empty for the program itself. */
  readonly name: string
  /** The group of the list of commands. */
  readonly group: string
  readonly summary: string
  readonly description: string
  readonly arguments: ReadonlyArray<ArgumentHelp>
  /** Without the global flags. */
  readonly flags: ReadonlyArray<FlagHelp>
  readonly aliases: ReadonlyArray<string>
}

interface Tree {
  readonly name: string
  readonly subcommands: ReadonlyArray<{ readonly group: string | undefined; readonly commands: ReadonlyArray<Tree> }>
}

interface HelpDocument extends Omit<CommandHelp, "name" | "group" | "summary" | "aliases"> {
  readonly commands: ReadonlyArray<{ readonly name: string; readonly description: string }>
}

/** The help of the whole program, as `--help --json` prints it. */
export const readHelp = async (): Promise<{
  readonly global: ReadonlyArray<FlagHelp>
  readonly commands: ReadonlyArray<CommandHelp>
}> => {
  const root = await helpOf([])
  const globalNames = new Set(root.flags.map(({ name }) => name))
  const commands: Array<CommandHelp> = []
  const collect = async (path: ReadonlyArray<string>, tree: Tree, parent: HelpDocument, outer: string) => {
    for (const { commands: members, group = outer } of tree.subcommands) {
      for (const member of members) {
        const name = [...path, member.name]
        const help = await helpOf(name)
        const summary = parent.commands.find((each) => each.name === member.name)?.description ?? ""
        if (member.subcommands.length > 0) {
          await collect(name, member, help, group)
          continue
        }
        commands.push({
          name: name.join(" "),
          group,
          summary,
          description: help.description,
          arguments: help.arguments,
          flags: help.flags.filter((flag) => !globalNames.has(flag.name)),
          aliases: aliasesOf(name.join(" "))
        })
      }
    }
  }
  await collect([], backlogCommand, root, "")
  return { global: root.flags, commands }
}

const aliasesOf = (command: string): ReadonlyArray<string> =>
  Object.entries(commandAliases).flatMap(([alias, [target, ...flags]]) =>
    target === command && flags.length === 0 ? [alias] : []
  )

/** Aliases that stand for a command with a flag, and what they stand for. */
export const aliasesWithFlags: ReadonlyArray<readonly [string, string]> = Object.entries(commandAliases).flatMap(
  ([alias, words]) => (words.length > 1 ? [[alias, words.join(" ").replace("=true", "")] as const] : [])
)

const helpOf = async (path: ReadonlyArray<string>): Promise<HelpDocument> => {
  let output = ""
  const stream = (write: (text: string) => void): OutputStream => ({
    write,
    drain: Effect.void,
    isTerminal: false,
    size: () => ({ columns: 80, rows: 24 })
  })
  const io: ProcessIO["Service"] = {
    env: {},
    stdin: { [Symbol.asyncIterator]: async function* () {} },
    stdout: stream((text) => {
      output += text
    }),
    stderr: stream(() => {}),
    onInterrupt: () => {},
    onExit: () => () => {}
  }
  const code = await Effect.runPromise(run([...path, "--help", "--json"], io))
  if (code !== 0) throw new Error(`\`backlog ${path.join(" ")} --help\` ended with ${code}: ${output}`)
  return (JSON.parse(output) as { readonly data: HelpDocument }).data
}
