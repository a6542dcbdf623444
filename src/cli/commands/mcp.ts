import { Deferred, Effect } from "effect"
import { Command } from "effect/cli"
import { Name } from "../../domain/Text.ts"
import type { Caller } from "../../http/api/CallerGroup.ts"
import { ownerRule } from "../../http/access/workerRules.ts"
import { AccessRole, InvalidInput, withoutSecrets } from "../../index.ts"
import { actsFor } from "../../services/access/AccessRole.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { askServedCaller, namedActor, systemUser } from "../currentActor.ts"
import { runOverHttp, servedTarget, withAgentBacklog } from "../database.ts"
import { withHelp } from "../defineCommand.ts"
import { exitCodes } from "../exitCodes.ts"
import { choiceFlag, textFlag } from "../flags.ts"
import { layerLogging, logFlags } from "../logging.ts"
import { type OutputLost, ProcessIO } from "../ProcessIO.ts"

/** Longer than any command that runs when the program is interrupted. */
const timeoutMillis = 5000

export const mcpCommand = withHelp(
  Command.make(
    "mcp",
    {
      role: choiceFlag(
        "role",
        AccessRole.literals,
        "Role of the agent, which selects its tools. Defaults to the role of BACKLOG_TOKEN, then worker"
      ),
      owner: textFlag("owner", "Owner of the agent's claims. Defaults to the actor", "OWNER"),
      ...logFlags
    },
    Effect.fnUntraced(function* ({ logFormat, logLevel = "warning", owner, role: givenRole }) {
      const { onInterrupt, stderr, stdin, stdout } = yield* ProcessIO
      const owned = owner === undefined ? undefined : yield* decodeFlag("--owner", owner)
      const named = yield* namedActor
      if (named !== undefined) yield* decodeFlag("--actor", named)
      const server = yield* servedTarget
      const caller = server === undefined ? undefined : yield* askServedCaller(server)
      const role = givenRole ?? (caller === undefined || caller.role === "unrestricted" ? "worker" : caller.role)
      if (caller !== undefined && !mayServe(caller.role, role)) {
        return yield* new InvalidInput({
          problem: `--role ${role} needs the token of that role, and the one in BACKLOG_TOKEN has the role ${caller.role}`
        })
      }
      const actor = yield* decodeFlag("--actor", named ?? caller?.actor ?? owned ?? (yield* systemUser))
      const agent = { role, actor, owner: owned ?? actor }
      if (caller !== undefined && caller.actor !== null && actor !== caller.actor) {
        return yield* new InvalidInput({
          problem: `the actor must be ${JSON.stringify(caller.actor)}, to whom the token in BACKLOG_TOKEN belongs. Omit --actor and BACKLOG_ACTOR`
        })
      }
      if (caller?.role === "worker" && !actsFor(actor, [], agent.owner)) {
        return yield* new InvalidInput({
          problem: `--owner ${ownerRule(actor, agent.owner)}, because the token in BACKLOG_TOKEN is a worker's`
        })
      }
      const { serveStdio, serveStdioOverHttp } = yield* Effect.promise(() => import("../../mcp/index.ts"))
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
      const logged = <A, E, R>(serving: Effect.Effect<A, E, R>) =>
        Effect.provide(withoutSecrets(serving), layerLogging(stderr, logFormat, logLevel))
      const whileConnected = <E, R>(serving: Effect.Effect<void, E, R>) =>
        Effect.raceFirst(serving, Deferred.await(clientGone))
      return yield* server === undefined
        ? logged(withAgentBacklog("mcp", whileConnected(serveStdio(agent, pipes))))
        : logged(runOverHttp(server, whileConnected(serveStdioOverHttp(agent, pipes))))
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

/** Whether a caller of a server can use the tools of a role. Those of auditors only read. */
const mayServe = (caller: Caller["role"], role: AccessRole): boolean =>
  caller === role || caller === "unrestricted" || caller === "orchestrator" || role === "auditor"

const decodeName = decodeInput(Name)

const decodeFlag = (flag: string, value: string) =>
  Effect.mapError(decodeName(value), ({ problem }) => new InvalidInput({ problem: `${flag} ${problem}` }))
