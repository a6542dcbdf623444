import { describe, expect, it } from "vitest"
import { Effect, Option, Result, Schema, SchemaGetter } from "effect"
import { Card } from "../../src/domain/Card.ts"
import { ClaimFilter, Command, CompleteMany, NewCard } from "../../src/domain/Command.ts"
import { makeFastDecoder } from "../../src/domain/fastCodec.ts"
import { Json, JsonInput } from "../../src/domain/Json.ts"
import { Redact } from "../../src/domain/Redaction.ts"
import { expectSameDecoder, expectSameEncoder } from "../support/expectSameCodec.ts"

const strict = { onExcessProperty: "error" } as const

describe("the fast codecs", () => {
  it.each(Command.members.map((member) => [member.fields._tag.schema.literal, member] as const))(
    "decode %s as the schema does",
    (_, member) => {
      expectSameDecoder(member, strict)
      expectSameDecoder(member)
    }
  )

  it.each(Object.entries({ ClaimFilter, Command, CompleteMany, NewCard, Redact, Card, Json, JsonInput }))(
    "decode and encode %s as the schema does",
    (_, schema) => {
      expectSameDecoder(schema, strict)
      expectSameEncoder(schema)
    }
  )

  it("treat defaults, transformed fields and recursive schemas as the schema does", () => {
    interface Tree {
      readonly children: ReadonlyArray<Tree>
    }
    const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })
    expectSameDecoder(
      Schema.Struct({
        count: Schema.Int.pipe(Schema.withDecodingDefaultKey(Effect.succeed(7))),
        filled: Schema.optionalKey(Schema.String).pipe(
          Schema.decodeTo(Schema.optionalKey(Schema.String), {
            decode: SchemaGetter.transformOptional(Option.orElseSome(() => "default")),
            encode: SchemaGetter.passthrough()
          })
        ),
        time: Schema.optionalKey(Schema.DateTimeUtcFromString),
        list: Schema.Array(Schema.NumberFromString),
        either: Schema.Union([Schema.Struct({ a: Schema.String }), Schema.Record(Schema.String, Schema.Number)])
      })
    )
    expectSameDecoder(Tree)
  })

  it("decode a copy of JSON, and read each member once", () => {
    let reads = 0
    const acceptance = {
      get once() {
        reads++
        return reads
      }
    }
    const decode = makeFastDecoder(NewCard, strict)
    const decoded = Result.getOrThrow(decode({ id: "a", title: "A", acceptance }))
    expect(decoded.acceptance).toStrictEqual({ once: 1 })
    expect(reads).toBe(1)
  })
})
