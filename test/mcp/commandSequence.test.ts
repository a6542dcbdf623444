import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { CardNotFound, DependencyNotFound } from "../../src/domain/Rejection.ts"
import { CardId } from "../../src/domain/CardId.ts"
import { agentText } from "../../src/mcp/AgentText.ts"
import { CommandSequence } from "../../src/mcp/CommandSequence.ts"
import { StoppedPartway } from "../../src/mcp/refusal.ts"

it.effect("without a transaction, a refused command names the changes before it, which stay", () =>
  Effect.gen(function* () {
    const sequence = yield* CommandSequence
    const ran: Array<string> = []
    const step = (change: string, error?: CardNotFound | DependencyNotFound) => ({
      change: agentText`${change}`,
      run: Effect.suspend(() => {
        ran.push(change)
        return error === undefined ? Effect.succeed(change) : Effect.fail(error)
      })
    })
    const id = CardId.make("a")
    const refused = new DependencyNotFound({ id, dependsOn: CardId.make("missing") })
    assert.deepStrictEqual(yield* sequence.run([step("one"), step("two")]), ["one", "two"])
    const stopped = yield* Effect.flip(sequence.run([step("three"), step("four", refused), step("five")]))
    assert.instanceOf(stopped, StoppedPartway)
    assert.strictEqual(stopped.error, refused)
    assert.deepStrictEqual(
      stopped.done.map(({ text }) => text),
      ['"three"']
    )
    const first = new CardNotFound({ id })
    assert.strictEqual(yield* Effect.flip(sequence.run([step("six", first), step("seven")])), first)
    assert.deepStrictEqual(ran, ["one", "two", "three", "four", "six"])
  }).pipe(Effect.provide(CommandSequence.layerWithoutTransactions))
)
