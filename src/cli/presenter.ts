import { Effect, Option } from "effect"
import { CliOutput, type HelpDoc } from "effect/cli"
import { packageVersion } from "../services/packageFiles.ts"
import type { Host, Output } from "./Host.ts"
import { jsonDocument } from "./jsonDocument.ts"
import { hasColour } from "./Page.ts"

/**
 * Prints help and version when they are asked for. Help that nobody asked for is given to `onImplicitHelp`; what was
 * wrong with the arguments is told where all errors are.
 */
export const presenter = (
  host: Host["Service"],
  json: boolean,
  onImplicitHelp: (doc: HelpDoc.HelpDoc) => void
): CliOutput.Presenter => ({
  present: (event) =>
    Effect.sync(() => {
      if (event._tag === "Version") {
        const version = packageVersion()
        host.stdout.write(json ? jsonDocument({ data: { name: event.name, version } }) : `${event.name} ${version}\n`)
      } else if (event._tag === "Help" && event.reason === "Requested") {
        host.stdout.write(
          json ? jsonDocument({ data: helpData(event.helpDoc) }) : helpText(host.stdout, host.env, event.helpDoc)
        )
      } else if (event._tag === "Help") {
        onImplicitHelp(event.helpDoc)
      }
    })
})

/** Help for people. */
export const helpText = (output: Output, env: Host["Service"]["env"], doc: HelpDoc.HelpDoc): string =>
  `${CliOutput.defaultFormatter({ colors: hasColour(output, env) }).formatHelpDoc(doc)}\n`

const helpData = (doc: HelpDoc.HelpDoc) => ({
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
    required,
    description: Option.getOrNull(description)
  })),
  commands: (doc.subcommands ?? []).flatMap(({ commands }) =>
    commands.map(({ description, name, shortDescription }) => ({ name, description: shortDescription ?? description }))
  ),
  examples: doc.examples ?? []
})
