import { describe, expectTypeOf, it } from "vitest"
import type { ClaimFilter, ClaimRequest, Command, CompleteMany, NewCard } from "../../src/domain/Command.ts"
import type {
  AwaitClaimable,
  AwaitClaimableInput,
  CommandInputs,
  CompleteManyInput,
  ListInput,
  ListOptions,
  NewCardInput
} from "../../src/services/BacklogInput.ts"

type Encoded<Tag extends Command["_tag"]> = Omit<Extract<typeof Command.Encoded, { readonly _tag: Tag }>, "_tag">

/** Documented interfaces and the schemas that check them are written apart: each field of one must be in the other. */
describe("documented inputs", () => {
  it("each command's input equals what its schema takes", () => {
    expectTypeOf<{ readonly [Tag in keyof CommandInputs]: Encoded<Tag> }>().toEqualTypeOf<CommandInputs>()
    expectTypeOf<keyof CommandInputs>().toEqualTypeOf<Command["_tag"]>()
  })

  it("the other inputs equal what their schemas take", () => {
    expectTypeOf<typeof CompleteMany.Encoded>().toEqualTypeOf<CompleteManyInput>()
    expectTypeOf<typeof NewCard.Encoded>().toEqualTypeOf<NewCardInput>()
    expectTypeOf<typeof ClaimFilter.Encoded>().toEqualTypeOf<ClaimFilter>()
    expectTypeOf<Exclude<Encoded<"Complete">["claimNext"], undefined>>().toEqualTypeOf<ClaimRequest>()
    expectTypeOf<typeof ListOptions.Encoded>().toEqualTypeOf<ListInput>()
    expectTypeOf<typeof AwaitClaimable.Encoded>().toEqualTypeOf<AwaitClaimableInput>()
  })
})
