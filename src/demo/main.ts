import { Effect } from "effect"
import { parseArgs } from "node:util"

const usage = `Usage: npm run demo                                           four workers share a release plan, and one of them dies
       npm run demo -- --board [--minutes N] [--port PORT]    a board of a project that a simulated team works on

  --minutes N    How long the team works, in minutes. Then the board is still served. Defaults to 10
  --port PORT    Port to listen on. Defaults to 4010, or a free port if it is in use`

/** Parses a number of the command line. Returns the default if it is not given, and `undefined` if it is invalid. */
const parseNumber = (given: string | undefined, byDefault: number, maximum: number): number | undefined => {
  if (given === undefined) return byDefault
  const value = Number(given)
  return /^\d{1,6}(\.\d{1,3})?$/.test(given) && value <= maximum ? value : undefined
}

const readArguments = () => {
  try {
    const { board, help, minutes, port } = parseArgs({
      options: {
        board: { type: "boolean" },
        help: { type: "boolean" },
        minutes: { type: "string" },
        port: { type: "string" }
      }
    }).values
    if (help === true) return { isHelp: true } as const
    const parsed = { minutes: parseNumber(minutes, 10, 10_000), port: parseNumber(port, 4010, 65_535) }
    const isBoard = board === true
    if (!isBoard && (minutes !== undefined || port !== undefined)) return undefined
    return parsed.minutes === undefined || parsed.port === undefined || !Number.isInteger(parsed.port)
      ? undefined
      : ({
          isHelp: false,
          isBoard,
          minutes: parsed.minutes,
          port: port === undefined ? undefined : parsed.port
        } as const)
  } catch {
    return undefined
  }
}

const given = readArguments()
if (given === undefined || given.isHelp) {
  console[given === undefined ? "error" : "log"](usage)
  process.exitCode = given === undefined ? 2 : 0
} else if (given.isBoard) {
  const { runBoard } = await import("./board/runBoard.ts")
  process.exitCode = await runBoard(given)
} else {
  const { runReleasePlan } = await import("./releasePlan.ts")
  process.exitCode = await Effect.runPromise(runReleasePlan)
}
