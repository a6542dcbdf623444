import { Deferred, Effect } from "effect"
import { Command } from "effect/cli"
import { Name } from "../../domain/Text.ts"
import { AccessRole, InvalidInput, withoutSecrets } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { withAgentBacklog } from "../database.ts"
import { withHelp } from "../defineCommand.ts"
import { exitCodes } from "../exitCodes.ts"
import { Actor, choiceFlag, currentActor, nonEmpty, textFlag } from "../flags.ts"
import { layerLogging, logFlags } from "../logging.ts"
import { type OutputLost, ProcessIO } from "../ProcessIO.ts"

/** Longer than any command that runs when the program is interrupted. */
const timeoutMillis = 5000

export const mcpCommand = withHelp(
  Command.make(
    "mcp",
    {
      role: choiceFlag("role", AccessRole.literals, "Role of the agent, which selects its tools. Defaults to worker"),
      owner: textFlag("owner", "Owner of the agent's claims. Defaults to the actor", "OWNER"),
      ...logFlags
    },
    Effect.fnUntraced(function* ({ logFormat, logLevel = "warning", owner, role = "worker" }) {
      const { onInterrupt, env, stderr, stdin, stdout } = yield* ProcessIO
      const owned = owner === undefined ? undefined : yield* decodeFlag("--owner", owner)
      const said = (yield* Actor) ?? nonEmpty(env["BACKLOG_ACTOR"]) ?? owned
      const actor = yield* decodeFlag("--actor", said ?? (yield* currentActor))
      const agent = { role, actor, owner: owned ?? actor }
      const { serveStdio } = yield* Effect.promise(() => import("../../mcp/index.ts"))
      onInterrupt({ timeoutMillis, exitCode: exitCodes.done })
      const clientGone = yield* Deferred.make<never, OutputLost>()
      const pipes = {
        input: stdin,
        output: (message: string) =>
          Effect.andThen(
            Effect.sync(() => stdout.write(message)),
            Effect.catch(stdout.drain, (lost) => Effect.asVoid(Deferred.fail(clientGone, lost)))
          )
      }
      yield* withAgentBacklog(Effect.raceFirst(serveStdio(agent, pipes), Deferred.await(clientGone))).pipe(
        withoutSecrets,
        Effect.provide(layerLogging(stderr, logFormat, logLevel))
      )
    })
  ),
  {
    description:
      "Serves one agent over standard input and output with the Model Context Protocol. --role selects the agent's tools, and --owner is the owner of its claims, and its actor if neither --actor nor BACKLOG_ACTOR is set. Ends at the end of standard input. Logs to standard error.",
    summary: "Serve an agent over standard input and output (MCP)",
    examples: [
      { command: "backlog mcp --owner worker-1" },
      { command: "backlog mcp --role orchestrator --actor planner", description: "An agent that creates cards" }
    ]
  }
)

const decodeName = decodeInput(Name)

const decodeFlag = (flag: string, value: string) =>
  Effect.mapError(decodeName(value), ({ problem }) => new InvalidInput({ problem: `${flag} ${problem}` }))
