import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { AccessRole, BacklogService } from "../../src/index.ts"
import { onBothDatabases } from "../support/databases.ts"
import { connectAgent } from "./support/agents.ts"

/** A value for a JSON parameter as clients send it, and as it is stored. */
const values: ReadonlyArray<readonly [sent: unknown, stored: unknown]> = [
  [
    { pages: 2, none: null },
    { pages: 2, none: null }
  ],
  [
    ["a", { b: null }],
    ["a", { b: null }]
  ],
  ["done", "done"],
  ["7", "7"],
  [7, 7],
  [false, false],
  ['{"pages":2,"list":["x"]}', { pages: 2, list: ["x"] }],
  [' ["a","b"]\n', ["a", "b"]],
  ["{see the page}", "{see the page}"],
  // Parsing it would change the number.
  ['{"n":12345678901234567890}', '{"n":12345678901234567890}'],
  ['{"__proto__":{"polluted":true}}', JSON.parse('{"__proto__":{"polluted":true}}')]
]

interface Listed {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Listed>>
  readonly items?: Listed
}

/** Every parameter of a tool, with the parameters in lists and objects. */
const parametersIn = ({ items, properties = {} }: Listed): ReadonlyArray<readonly [name: string, Listed]> => [
  ...Object.entries(properties).flatMap(([name, each]) => [[name, each] as const, ...parametersIn(each)]),
  ...(items === undefined ? [] : parametersIn(items))
]

onBothDatabases("JSON parameters of tools", (test) => {
  test(
    "every parameter is listed with one type, and JSON with a description",
    Effect.gen(function* () {
      for (const role of AccessRole.literals) {
        const { client } = yield* connectAgent(role, "ann")
        const { tools } = yield* Effect.orDie(client.listTools())
        for (const { inputSchema, name } of tools) {
          for (const [parameter, { description, type }] of parametersIn(inputSchema as Listed)) {
            assert.isString(type, `${name}: ${parameter}`)
            if (parameter === "result") {
              assert.deepStrictEqual([type, description], ["object", "The result; any JSON is accepted"])
            } else if (parameter === "acceptance") {
              assert.strictEqual(type, "array")
              assert.match(description ?? "", /any JSON is accepted/i)
            }
          }
        }
      }
    })
  )

  test(
    "a value is stored as it is, and a string with an object or a list as that",
    Effect.gen(function* () {
      const boss = yield* connectAgent("orchestrator", "ann")
      const backlog = yield* BacklogService
      const stored = Effect.fnUntraced(function* (id: string) {
        return Option.getOrThrow(yield* backlog.get(id))
      })
      for (const [index, [sent, expected]] of values.entries()) {
        const id = `card-${index}`
        yield* boss.call("create", { cards: [{ id, title: "T", acceptance: sent }] })
        assert.deepStrictEqual((yield* stored(id)).acceptance, expected)
        yield* boss.call("revise", { id, clear: ["acceptance"] })
        yield* boss.call("revise", { id, acceptance: sent })
        assert.deepStrictEqual((yield* stored(id)).acceptance, expected)
        yield* boss.call("complete", { id, result: sent })
        assert.deepStrictEqual((yield* stored(id)).result, expected)
      }
    })
  )
})
