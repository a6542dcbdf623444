import { layer } from "@effect/vitest"
import { Context, Effect, Logger } from "effect"
import { Tool } from "effect/ai"
import { expect } from "vitest"
import { AuditService, BacklogService } from "../../src/index.ts"
import { toolsets } from "../../src/mcp/layerTools.ts"
import { postgresClient, within } from "../support/backlogs.ts"
import { prepareReads } from "../support/reads.ts"
import { backlogBehind, TestBarrier } from "../support/testBarrier.ts"
import { connectAgent } from "./support/agents.ts"

/** Calls of each tool that reads. */
const calls: Readonly<Record<string, ReadonlyArray<object>>> = {
  backlog_list: [{}],
  backlog_show: [{}, { id: "a" }, { id: "a", part: "body" }, { id: "a", part: "notes" }, { id: "a", part: "history" }]
}

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })("the read gate for agents", (it) => {
  it.effect("no tool shows anything while the gate is closed", () =>
    Effect.gen(function* () {
      const reading = Object.values(toolsets)
        .flat()
        .filter(({ tool }) => Context.get(tool.annotations, Tool.Readonly))
        .map(({ tool }) => tool.name)
      expect(new Set(reading)).toEqual(new Set(Object.keys(calls)))
      const barrier = new TestBarrier()
      const context = yield* backlogBehind(barrier)
      yield* prepareReads(Context.get(context, BacklogService), Context.get(context, AuditService))
      const agent = yield* within(context)(connectAgent("orchestrator", "planner"))
      const agentCalls = Object.entries(calls).flatMap(([tool, args]) =>
        args.map((each) => [tool.replace("backlog_", ""), each] as const)
      )
      const outcomes = Effect.forEach(agentCalls, ([tool, args]) =>
        Effect.map(agent.call(tool, args), ({ data, isError }) => [tool, args, isError, data !== undefined] as const)
      )
      expect(yield* outcomes).toEqual(agentCalls.map(([tool, args]) => [tool, args, false, true]))
      barrier.close()
      expect(yield* outcomes).toEqual(agentCalls.map(([tool, args]) => [tool, args, true, false]))
    }).pipe(Effect.provideService(Logger.CurrentLoggers, new Set()))
  )
})
