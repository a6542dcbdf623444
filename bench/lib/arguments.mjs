import { parseArgs } from "node:util"

const usage = `node bench/run.mjs [--only PATTERN] [--quick] [--repetitions N] [--soak-minutes N] [--list]
                   [--profile DIR] [--build DIR] [--results DIR]

  --only PATTERN     only scenarios whose id, as --list shows them, matches this regular expression
  --quick            small sizes and short times, written to results/quick.json
  --repetitions N    how often each scenario is measured (default: 3, with --quick 1)
  --soak-minutes N   how long the soak lasts (default: 10, with --quick 0.1)
  --list             only say which scenarios there are
  --profile DIR      write a CPU profile of every measurement into this folder
  --build DIR        measure this build instead of ../dist
  --results DIR      write results and plots into this folder instead of results
`

/** Parses the command line. Ends the process when it is invalid or asks for help. */
export const parseArguments = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: "string", default: "" },
        quick: { type: "boolean", default: false },
        repetitions: { type: "string" },
        "soak-minutes": { type: "string" },
        list: { type: "boolean", default: false },
        profile: { type: "string" },
        build: { type: "string", default: new URL("../../dist", import.meta.url).pathname },
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
    if (soakMinutes !== undefined && !(soakMinutes > 0)) throw new Error("--soak-minutes must be more than 0")
    return { ...values, only: new RegExp(values.only), repetitions, soakMinutes }
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
