import { parseArgs } from "node:util"

const usage = `node bench/run.mjs [--only PATTERN] [--quick] [--repetitions N] [--profile DIR] [--build DIR]

  --only PATTERN     only scenarios whose "name database" matches this regular expression
  --quick            a tenth of the size, written to results/quick.json
  --repetitions N    how often each scenario is measured (default: 3)
  --profile DIR      write a CPU profile of every measurement into this folder
  --build DIR        measure this build instead of ../dist
`

/** The command line's options; ends the process when they are wrong or when help is asked for. */
export const parseArguments = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: "string", default: "" },
        quick: { type: "boolean", default: false },
        repetitions: { type: "string", default: "3" },
        profile: { type: "string" },
        build: { type: "string", default: new URL("../../dist", import.meta.url).pathname },
        help: { type: "boolean", short: "h", default: false }
      }
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    const repetitions = Number(values.repetitions)
    if (!Number.isInteger(repetitions) || repetitions < 1) throw new Error("--repetitions must be 1 or more")
    return { ...values, only: new RegExp(values.only), repetitions }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}
