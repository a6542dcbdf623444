import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { freshBacklog } from "../support/backlogs.ts"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { makeRandom, type Random } from "../support/random.ts"
import { amount, report, seed } from "../support/soak.ts"
import { verifiesItself, verifyBacklog } from "../support/verifyBacklog.ts"
import { commandTrial, questionTrial } from "./hostile/library.ts"
import { lost } from "./hostile/readBack.ts"
import { attempt, failed } from "./hostile/trial.ts"

/** Inputs to the library. CI tries a whole soak round. Each round has its own backlog. */
const rounds = amount(2, 40)
const inputsOfRound = 1_000

/** Tries the inputs of a round, and returns how many commands wrote something. */
const round = Effect.fnUntraced(function* (first: number, random: Random) {
  let written = 0
  for (let number = first; number < first + inputsOfRound; number++) {
    if (random.below(10) < 3) {
      yield* attempt(questionTrial(random), number)
      continue
    }
    const trial = commandTrial(random)
    const became = yield* attempt(trial, number)
    if (became._tag === "Refused" || !became.wrote) continue
    written++
    const problem = yield* lost(trial.tag, trial.input, became)
    if (problem !== undefined) return yield* Effect.die(failed(trial, problem, number))
  }
  yield* verifyBacklog
  yield* verifiesItself
  return written
})

layer(layerPgliteClient(), { timeout: "60 seconds", excludeTestServices: true })(
  "hostile input to the library",
  (it) => {
    it.effect(
      "hostile input is stored exactly, or refused with a typed error and no change",
      () =>
        Effect.gen(function* () {
          const random = makeRandom(seed)
          const prototype = Object.getOwnPropertyNames(Object.prototype)
          for (let index = 0; index < rounds; index++) {
            const inRound = round(index * inputsOfRound + 1, random)
            const written = yield* Effect.scoped(Effect.provide(inRound, Layer.fresh(freshBacklog)))
            assert.isAbove(written, inputsOfRound / 50, "too few inputs were valid")
            assert.deepStrictEqual(Object.getOwnPropertyNames(Object.prototype), prototype)
          }
          report({ "hostile inputs": rounds * inputsOfRound })
        }),
      amount(120_000, 1_800_000)
    )
  }
)
