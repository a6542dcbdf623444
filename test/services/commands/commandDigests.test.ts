import { Schema } from "effect"
import { Command } from "../../../src/domain/Command.ts"
import { computeDigests } from "../../../src/services/commands/Receipt.ts"
import { describe, expect, it } from "vitest"

const decode = Schema.decodeUnknownSync(Command)

/** Digests as version 0.6 stored them, when `minPriority` was called `minimumPriority`. */
const stored: ReadonlyArray<readonly [name: string, command: unknown, shape: string, whole?: string]> = [
  [
    "a claim with a priority",
    { _tag: "Claim", owner: "w", phase: "build", minPriority: 5, ttlSeconds: 60, actor: "a", commandId: "c1" },
    "c9cd6c70bf3c56698cf87e244bac78c4a9facecaf1bb5d046f0dc18038a71fee"
  ],
  [
    "a claim without a priority",
    { _tag: "Claim", owner: "w", actor: "a", commandId: "c5" },
    "c6841b74e8e3b9eab3904458b1409acec28cfbe40a7fb0c96980d6d4713c74e4"
  ],
  [
    "a claim of many cards",
    { _tag: "ClaimMany", owner: "w", limit: 3, minPriority: -1, actor: "a", correlationId: "r", commandId: "c2" },
    "55393029be69d21cb14a76917cbf2609886b431f6420cb96ccbb20fc7c73ce70"
  ],
  [
    "a completion that claims the next card, with the names in its result as they are",
    {
      _tag: "Complete",
      id: "x",
      token: 2,
      result: { minPriority: 1, minimumPriority: 2, text: "done" },
      claimNext: { owner: "w", minPriority: 7 },
      actor: "a",
      commandId: "c3"
    },
    "b63b010b07e04a9b894e94b9ab5076b4914c838d067752da6b75bfa59cf3fcfc",
    "f40bf391b86797321b68ebe61f220d8954d01acbe97c4cc8c5d9ea9538a57b47"
  ],
  [
    "a completion without a result that claims the next card",
    { _tag: "Complete", id: "x", token: 2, claimNext: { owner: "w", phase: "p", minPriority: 0 }, actor: "a" },
    "a81f470fddf80a72867fbb33a007e33c9a5317ac61c60ea99d9687a64bee3d4b"
  ],
  [
    "a card with the name in its acceptance criteria",
    { _tag: "Create", id: "x", title: "T", acceptance: { minPriority: 1 }, priority: 3, actor: "a", commandId: "c6" },
    "2797be928c062dd32d2ec7d1d1359053bbd9f508e186afb8eecf65057d6513f6",
    "232adaeeafdf6b499221c2f4929558c57cba62860d63e970dfb4d50c4742578f"
  ]
]

describe("stored digests of commands", () => {
  it.each(stored)("the digest of %s equals the stored digest", (_, command, shape, whole) => {
    const { _tag: kind } = command as { readonly _tag: string }
    expect(computeDigests(decode(command))).toEqual({ kind, shape, whole })
  })
})
