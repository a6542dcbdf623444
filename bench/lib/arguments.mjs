import { parseArgs } from "node:util"

const usage = `node bench/run.mjs [--set NAME] [--only PATTERN] [--quick] [--repetitions N] [--soak-minutes N] [--list]
                   [--profile DIR] [--build DIR] [--previous-build DIR] [--results DIR]

  --set NAME         only the scenarios of a set. The set write-path has the requirements on the commands that write, and
                     takes about half an hour.
  --only PATTERN     only scenarios whose id, as --list shows it, matches this regular expression
  --quick            small sizes and short times, written to results/quick.json
  --repetitions N    number of times that each scenario is measured. Defaults to 3, with --quick to 1
  --soak-minutes N   duration of the soak in minutes. Defaults to 10, with --quick to 0.1. 0 leaves it out
  --list             print the ids of the scenarios and measure none
  --profile DIR      write a CPU profile of every measurement into this folder
  --build DIR        the build to measure. Defaults to ../dist
  --previous-build DIR
                     the dist folder of an older build, to measure alternating with this one
  --results DIR      folder for results and plots. Defaults to results
`

const sets = new Set(["write-path"])

/** Parses the command line. Ends the process when it is invalid or asks for help. */
export const parseArguments = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        set: { type: "string" },
        only: { type: "string", default: "" },
        quick: { type: "boolean", default: false },
        repetitions: { type: "string" },
        "soak-minutes": { type: "string" },
        list: { type: "boolean", default: false },
        profile: { type: "string" },
        build: { type: "string", default: new URL("../../dist", import.meta.url).pathname },
        "previous-build": { type: "string" },
        results: { type: "string", default: new URL("../results", import.meta.url).pathname },
        help: { type: "boolean", short: "h", default: false }
      }
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    const repetitions = parseRepetitions(values)
    const soakMinutes = values["soak-minutes"] === undefined ? undefined : Number(values["soak-minutes"])
    if (soakMinutes !== undefined && !(soakMinutes >= 0)) throw new Error("--soak-minutes must be 0 or more")
    if (values.set !== undefined && !sets.has(values.set)) throw new Error(`there is no set ${values.set}`)
    const previousBuild = values["previous-build"]
    return { ...values, only: new RegExp(values.only), previousBuild, repetitions, soakMinutes }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}

/** Number of repetitions. Throws when it is not a positive integer. */
export const parseRepetitions = (values) => {
  const repetitions = Number(values.repetitions ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(repetitions) || repetitions < 1) throw new Error("--repetitions must be 1 or more")
  return repetitions
}
