import { Duration } from "effect"
import { cardVariables, environmentVariables } from "../../src/cli/environmentVariables.ts"
import { supportedSettings, unsupportedSettings } from "../../src/services/postgres/connectionSettings.ts"
import { defaultTimeouts } from "../../src/services/postgres/PostgresClient.ts"
import { aliasesWithFlags, type CommandHelp, type FlagHelp, readHelp } from "./commandHelp.ts"
import {
  code,
  codes,
  escapeText,
  linkTo,
  type Page,
  pageHead,
  paragraphs,
  replacePart,
  sentence,
  table
} from "./markdown.ts"
import { interfaceMembers, paragraphsOf, readFile } from "./sourceDocs.ts"

/** docs/configuration.md: flags, environment variables, settings of connections, and options of the library. */
export const configurationPage = async (): Promise<Page> => {
  const { commands, global } = await readHelp()
  const isSecond = (name: "BACKLOG_BATCH_TIMEOUT" | "BACKLOG_ANSWER_TIMEOUT", timeout: Duration.Duration): void => {
    const documented = environmentVariables[name].byDefault
    const actual = `${Duration.toSeconds(timeout)} seconds`
    if (documented !== actual) throw new Error(`The default of ${name} is ${actual}, and its table says ${documented}.`)
  }
  isSecond("BACKLOG_BATCH_TIMEOUT", defaultTimeouts.batchTimeout)
  isSecond("BACKLOG_ANSWER_TIMEOUT", defaultTimeouts.answerTimeout)
  return {
    page: "docs/configuration.md",
    text: paragraphs(
      pageHead(
        "Configuration",
        "This page lists every flag, environment variable, connection setting and option. [The command line](command-line.md) explains how the commands behave. [Operations](operations.md) explains how to run a server."
      ).trimEnd(),
      "- [Environment variables](#environment-variables)\n- [Connection settings](#connection-settings)\n- [Flags of every command](#flags-of-every-command)\n- [Flags by name](#flags-by-name)\n- [Commands](#commands)\n- [Options of the library](#options-of-the-library)",
      "## Environment variables",
      "An empty variable counts as not set.",
      table(
        ["variable", "meaning", "default", "read by"],
        Object.entries(environmentVariables).map(([name, { byDefault, meaning, readBy }]) => [
          code(name),
          escapeText(meaning),
          escapeText(byDefault),
          escapeText(readBy)
        ])
      ),
      "`serve` also reads the other `OTEL_…` variables of the OpenTelemetry specification that Effect's OTLP exporter supports, such as `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_RESOURCE_ATTRIBUTES`. Node reads `NODE_OPTIONS` and `NODE_EXTRA_CA_CERTS`.",
      "### Variables of the command of `work --exec`",
      "`work --exec` sets these variables for its command. It also sets `BACKLOG_DATABASE_URL`, `BACKLOG_SCHEMA` and `BACKLOG_ACTOR`, so that `backlog` in the command uses the same backlog and actor.",
      table(
        ["variable", "value"],
        Object.entries(cardVariables).map(([name, value]) => [code(name), escapeText(value)])
      ),
      "## Connection settings",
      "The URL of a server has the form `postgres://user:password@host:port/database?setting=value`. A setting that the URL does not contain defaults to its variable.",
      table(
        ["setting", "variable", "meaning", "default"],
        Object.entries(supportedSettings).map(([name, { byDefault, meaning, variable }]) => [
          code(name),
          variable === null ? "" : code(variable),
          escapeText(meaning),
          escapeText(byDefault)
        ])
      ),
      "These settings of libpq are refused by name (exit code 2; `ConnectionSettingRefused` in the library):",
      table(
        ["setting", "variable", "instead"],
        Object.entries(unsupportedSettings).map(([name, { instead, variable }]) => [
          code(name),
          variable === null ? "" : code(variable),
          escapeText(instead)
        ])
      ),
      "## Flags of every command",
      flagTable(global),
      "## Flags by name",
      "A link leads to the meaning of the flag for that command.",
      table(["flag", "commands"], flagIndex(commands)),
      "## Commands",
      ...commands.map((command) => commandSection(command)),
      "## Options of the library",
      "A duration is a number of milliseconds, a text such as `30 seconds`, or a `Duration`.",
      ...options.map(optionSection)
    )
  }
}

/** The part of docs/command-line.md that lists the commands. */
export const commandLinePage = async (): Promise<Page> => {
  const page = "docs/command-line.md"
  const { commands } = await readHelp()
  const groups = [...new Set(commands.map(({ group }) => group))]
  const part = paragraphs(
    "[configuration.md](configuration.md#commands) lists the flags of each command.",
    ...groups.flatMap((group) => [
      `**${group}**`,
      table(
        ["command", "purpose"],
        commands
          .filter((command) => command.group === group)
          .map((command) => [
            `[${code(command.name)}](configuration.md#${command.name.replaceAll(" ", "-")})${argumentText(command)}`,
            escapeText(command.summary)
          ])
      )
    ])
  ).trimEnd()
  return { page, text: replacePart(readFile(page), "commands", part) }
}

const argumentText = ({ arguments: all }: CommandHelp): string =>
  all
    .map(({ name, required, variadic }) => {
      const word = `${name.toUpperCase()}${variadic ? "…" : ""}`
      return ` ${code(required ? word : `[${word}]`)}`
    })
    .join("")

/** The text of the help as Markdown: flags and variables as code, without the words that the argument lists. */
const helpText = (text: string | null): string =>
  (text ?? "")
    .replace(/ \((?:choices: [^)]*|optional)\)$/, "")
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith("`")
        ? part
        : part.replaceAll(/(?<![\w-])--[a-z-]+\b|\b[A-Z]+(?:_[A-Z]+)+\b/g, (word) => code(word))
    )
    .join("")

const isSwitch = ({ type }: FlagHelp): boolean => type === "boolean"

/** Splits a description into its meaning and its default. */
const splitDefault = (description: string): { readonly meaning: string; readonly byDefault: string } => {
  const found = /^(.*?)(?:^|[.;] )Defaults to ((?:(?!\. [A-Z]).)+?)\.?(?: (?=Repeatable)|\. |$)(.*)$/s.exec(description)
  if (found === null) return { meaning: description, byDefault: "" }
  const [, before = "", byDefault = "", after = ""] = found
  return { meaning: [before, after].filter((part) => part !== "").join(". "), byDefault }
}

const flagRow = (flag: FlagHelp): ReadonlyArray<string> => {
  const { byDefault, meaning } = splitDefault(helpText(flag.description))
  return [
    code(flag.name),
    isSwitch(flag) ? "" : code(flag.type),
    flag.required ? "required" : escapeText(byDefault || (isSwitch(flag) ? "off" : "not set")),
    sentence(escapeText(meaning))
  ]
}

const flagTable = (flags: ReadonlyArray<FlagHelp>): string =>
  table(["flag", "argument", "default", "meaning"], flags.map(flagRow))

const flagIndex = (commands: ReadonlyArray<CommandHelp>): ReadonlyArray<ReadonlyArray<string>> => {
  const byName = new Map<string, Array<string>>()
  for (const { flags, name } of commands) {
    for (const flag of flags) byName.set(flag.name, [...(byName.get(flag.name) ?? []), name])
  }
  return [...byName]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, users]) => [code(name), users.map((user) => linkTo(user)).join(", ")])
}

const commandSection = (command: CommandHelp): string => {
  const { aliases, description, flags, name } = command
  const stands = aliasesWithFlags.filter(([, target]) => target.split(" ")[0] === name)
  return paragraphs(
    `### ${name}`,
    `${code(`backlog ${name}`)}${argumentText(command)}`,
    escapeText(sentence(helpText(description))),
    aliases.length + stands.length === 0
      ? undefined
      : `Other names: ${[codes(aliases), ...stands.map(([alias, target]) => `${code(alias)} for ${code(target)}`)].filter((each) => each !== "").join(", ")}.`,
    command.arguments.length === 0
      ? undefined
      : table(
          ["argument", "", "meaning"],
          command.arguments.map((argument) => [
            code(argument.name.toUpperCase()),
            argument.required ? "required" : "optional",
            escapeText(sentence(helpText(argument.description)))
          ])
        ),
    flags.length === 0 ? "It has no flags of its own." : flagTable(flags)
  ).trimEnd()
}

/** The options of the library: the function that takes them, and where they are declared. */
const options = [
  { title: "layerPglite", from: "mosaic-backlog", path: "src/services/layers.ts", name: "PgliteOptions" },
  {
    title: "layerPostgres",
    from: "mosaic-backlog",
    path: "src/services/postgres/PostgresClient.ts",
    name: "PostgresOptions",
    note: "It also takes `schema` and `opening`, as `layerPglite` does, and `roles`: the database roles that receive exactly the privileges that they need."
  },
  { title: "keepAnchors", from: "mosaic-backlog", path: "src/services/keepAnchors.ts", name: "KeepAnchorsOptions" },
  { title: "Worker.run", from: "mosaic-backlog/worker", path: "src/worker/WorkerOptions.ts", name: "WorkerOptions" },
  { title: "serve (HTTP)", from: "mosaic-backlog/http", path: "src/http/server.ts", name: "ServeOptions" },
  { title: "layerHttp", from: "mosaic-backlog/http", path: "src/http/client/connect.ts", name: "HttpOptions" }
]

const optionSection = ({ from, name, note, path, title }: (typeof options)[number]): string => {
  const members = interfaceMembers(path, name)
  if (members.length === 0) throw new Error(`${path} has no interface ${name}.`)
  return paragraphs(
    `### ${title}`,
    `From ${code(from)}: ${code(name)}.`,
    note,
    table(
      ["option", "type", "default", "meaning"],
      members.map(({ doc, name: option, optional, type }) => {
        if (doc === undefined) throw new Error(`${option} of ${name} in ${path} has no docstring.`)
        const { byDefault, meaning } = splitDefault(paragraphsOf(doc).join(" "))
        return [
          code(option),
          code(type.replace(/ \| undefined$/, "").replaceAll(/\s+/g, " ")),
          optional ? escapeText(byDefault || "not set") : "required",
          sentence(escapeText(meaning))
        ]
      })
    )
  ).trimEnd()
}
