import { Completions } from "effect/cli"
import { backlogCommand } from "../../src/cli/backlogCommand.ts"

/** The names of all commands: `create`, `token create` … */
export const allCommands = (): ReadonlyArray<string> => {
  const namesIn = (command: Completions.CommandDescriptor, above: string): ReadonlyArray<string> =>
    command.subcommands.length === 0
      ? [above]
      : command.subcommands.flatMap((each) => namesIn(each, `${above} ${each.name}`.trim()))
  return [...namesIn(Completions.fromCommand(backlogCommand), "")].sort()
}

/** The name of the command that arguments begin with. */
export const commandIn = (argv: ReadonlyArray<string>): string =>
  argv.slice(0, argv[0] === "token" || argv[0] === "receipts" ? 2 : 1).join(" ")
