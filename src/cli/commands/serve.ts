import { Effect, Logger } from "effect"
import { Command } from "effect/cli"
import { InvalidInput } from "../../index.ts"
import { withBusyBacklog } from "../database.ts"
import { exitCodes } from "../failure.ts"
import { text, whole } from "../flags.ts"
import { Host } from "../Host.ts"
import { reply } from "../Reply.ts"
import { documented, print, rendered } from "../verb.ts"

/** Longer than the server waits for what is being done when it ends. */
const patienceMillis = 15_000

export const serve = documented(
  Command.make(
    "serve",
    {
      port: whole("port", "The port to listen on (default: 4010; 0 for one that is free)", "PORT"),
      host: text("host", "The address to listen on (default: 127.0.0.1)", "ADDRESS")
    },
    Effect.fnUntraced(function* ({ host = "127.0.0.1", port = 4010 }) {
      if (port < 0 || port > 65_535) return yield* new InvalidInput({ problem: "--port takes 0 to 65535" })
      if (!loopback.has(host)) {
        return yield* new InvalidInput({
          problem: `--host takes an address that only this machine can reach: ${[...loopback].join(", ")}`
        })
      }
      const { endsByInterrupt, stderr } = yield* Host
      const server = yield* Effect.promise(() => import("../../http/index.ts"))
      endsByInterrupt({ patienceMillis, exitCode: exitCodes.done })
      const logger = Logger.map(Logger.formatLogFmt, (line) => stderr.write(`${line}\n`))
      yield* withBusyBacklog(
        Effect.gen(function* () {
          const address = yield* server.serve({ host, port })
          const answer = reply(
            () => address,
            () => `Listening on ${address.url}`
          )
          yield* print(yield* rendered(answer))
          return yield* Effect.never
        }).pipe(Effect.scoped, Effect.provide(Logger.layer([logger])))
      )
    })
  ),
  {
    about:
      "Serves the backlog over HTTP until it is interrupted, then lets what is being done end. What there is to ask is said at /openapi.json.",
    brief: "Serve the backlog over HTTP",
    examples: [
      { command: "backlog serve" },
      { command: "backlog serve --port 0 --json", description: "On a free port, said on standard output" }
    ]
  }
)

/** Addresses that only this machine can reach. */
const loopback = new Set(["127.0.0.1", "::1", "localhost"])
