import { describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  ClaimLost,
  CommandIdConflict,
  DependencyCycle,
  DependencyNotFound,
  Rejection,
  SelfDependency,
  TooManyLabels
} from "../../src/domain/Rejection.ts"
import { at, id } from "./support.ts"

const a = id("a")
const b = id("b")
const ring = [...Array.from({ length: 100 }, (_, index) => id(`c${index}`)), id("c0")]

/** Each rejection and its message. */
const cases: ReadonlyArray<readonly [message: string, rejection: Rejection]> = [
  ['There is no card "a".', new CardNotFound({ id: a })],
  ['There is no card "say \\"a\\"".', new CardNotFound({ id: id('say "a"') })],
  ['A card "a" already exists. Choose another id, or revise that card.', new CardAlreadyExists({ id: a })],
  ['Card "a" cannot depend on "b": there is no such card.', new DependencyNotFound({ id: a, dependsOn: b })],
  ['Card "a" cannot depend on itself.', new SelfDependency({ id: a })],
  [
    'Card "a" cannot depend on "b": that closes the cycle a → b → a.',
    new DependencyCycle({ id: a, dependsOn: b, path: [a, b, a] })
  ],
  [
    'Card "c0" cannot depend on "c1": that closes the cycle ' +
      "c0 → c1 → c2 → c3 → c4 → c5 → … 91 more … → c97 → c98 → c99 → c0.",
    new DependencyCycle({ id: id("c0"), dependsOn: id("c1"), path: ring })
  ],
  [
    'The claim with token 2 on card "a" is lost: it is ready now.',
    new ClaimLost({ id: a, token: 2, status: "ready", holder: null, expiresAt: null })
  ],
  [
    'The claim with token 2 on card "a" is lost: it is held by "w" until 2026-01-05T09:01:00.000Z.',
    new ClaimLost({ id: a, token: 2, status: "claimed", holder: "w", expiresAt: at(1) })
  ],
  [
    'Card "a" is held by "w" until 2026-01-05T09:01:00.000Z. To complete it, pass the claim\'s token, or use force. To defer it, release it with a retry time.',
    new CardIsClaimed({ id: a, holder: "w", expiresAt: at(1) })
  ],
  ['Card "a" would have 33 labels. A card has at most 32: remove some first.', new TooManyLabels({ id: a, count: 33 })],
  ['Card "a" is done. Reopen it first.', new CardIsDone({ id: a })],
  [
    'The command id "id" was already used for a different command. Choose another id.',
    new CommandIdConflict({ commandId: "id" })
  ]
]

describe("a rejection", () => {
  it("has a test case for each tag", () => {
    expect([...new Set(cases.map(([, rejection]) => rejection._tag))].sort()).toEqual(
      Rejection.members.map((member) => member.fields._tag.schema.literal).sort()
    )
  })

  it.each(cases)("has the message: %s", (message, rejection) => {
    expect(rejection.message).toBe(message)
  })

  it.each(cases)("survives encoding as JSON: %s", (_, rejection) => {
    const sent = JSON.stringify(Schema.encodeSync(Rejection)(rejection))
    const received = Result.getOrThrow(Schema.decodeUnknownResult(Rejection)(JSON.parse(sent)))
    expect(received).toBeInstanceOf(rejection.constructor)
    expect(received).toEqual(rejection)
    expect(received.message).toBe(rejection.message)
  })
})
