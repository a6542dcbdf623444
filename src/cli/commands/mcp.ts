import { Effect } from "effect"
import { Command } from "effect/cli"
import { Name } from "../../domain/Text.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { AccessRole, InvalidInput, withoutSecrets } from "../../index.ts"
import { withAgentsBacklog } from "../database.ts"
import { exitCodes } from "../failure.ts"
import { oneOf, text } from "../flags.ts"
import { Actor, currentActor, nonEmpty } from "../globals.ts"
import { Host } from "../Host.ts"
import { layerLogging, logFlags } from "../logging.ts"
import { documented } from "../verb.ts"

/** Longer than any command takes that is being carried out when the program is to end. */
const patienceMillis = 5000

export const mcp = documented(
  Command.make(
    "mcp",
    {
      role: oneOf("role", AccessRole.literals, "Which tools there are (default: worker)"),
      owner: text("owner", "In whose name cards are claimed (default: the actor)", "OWNER"),
      ...logFlags
    },
    Effect.fnUntraced(function* ({ logFormat, logLevel = "warning", owner, role = "worker" }) {
      const { endsByInterrupt, env, stderr, stdin, stdout } = yield* Host
      const owned = owner === undefined ? undefined : yield* named("--owner", owner)
      const said = (yield* Actor) ?? nonEmpty(env["BACKLOG_ACTOR"]) ?? owned
      const actor = yield* named("--actor", said ?? (yield* currentActor))
      const agent = { role, actor, owner: owned ?? actor }
      const { serveStdio } = yield* Effect.promise(() => import("../../mcp/index.ts"))
      endsByInterrupt({ patienceMillis, exitCode: exitCodes.done })
      const pipes = {
        input: stdin,
        output: (message: string) =>
          Effect.andThen(
            Effect.sync(() => stdout.write(message)),
            stdout.drained
          )
      }
      yield* withAgentsBacklog(serveStdio(agent, pipes)).pipe(
        withoutSecrets,
        Effect.provide(layerLogging(stderr, logFormat, logLevel))
      )
    })
  ),
  {
    about:
      "Serves one agent over standard input and output, with the Model Context Protocol: its tools are those of --role, and it is --owner in every claim, which without --actor and BACKLOG_ACTOR is also who the events are by. Ends when standard input does. What goes wrong is told on standard error.",
    brief: "Serve an agent over standard input and output (MCP)",
    examples: [
      { command: "backlog mcp --owner worker-1" },
      { command: "backlog mcp --role orchestrator --actor planner", description: "An agent that creates cards" }
    ]
  }
)

const decodeName = decodeInput(Name)

const named = (flag: string, value: string) =>
  Effect.mapError(decodeName(value), ({ problem }) => new InvalidInput({ problem: `${flag} ${problem}` }))
