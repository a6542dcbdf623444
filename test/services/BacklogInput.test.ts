import { describe, expectTypeOf, it } from "vitest"
import type { ClaimFilter, ClaimRequest, Command, CompleteMany, NewCard } from "../../src/domain/Command.ts"
import type { Redact } from "../../src/domain/Redaction.ts"
import type {
  CardMomentInput,
  EventOptions,
  EventsInput,
  FlowInput,
  FlowOptions,
  MomentInput,
  PruneReceipts,
  PruneReceiptsInput,
  RedactInput,
  Restored,
  RestoredInput
} from "../../src/services/AuditInput.ts"
import type { At, CardAt } from "../../src/services/audit/moments.ts"
import type {
  AwaitClaimable,
  AwaitClaimableInput,
  AwaitClaimEnd,
  AwaitClaimEndInput,
  CommandInputs,
  CompleteManyInput,
  ListInput,
  ListOptions,
  NewCardInput
} from "../../src/services/BacklogInput.ts"

type Encoded<Tag extends Command["_tag"]> = Omit<Extract<typeof Command.Encoded, { readonly _tag: Tag }>, "_tag">

/** The documented interfaces and the schemas are declared separately. Each field of one must be in the other. */
describe("documented inputs", () => {
  it("each command's input equals its schema's input", () => {
    expectTypeOf<{ readonly [Tag in keyof CommandInputs]: Encoded<Tag> }>().toEqualTypeOf<CommandInputs>()
    expectTypeOf<keyof CommandInputs>().toEqualTypeOf<Command["_tag"]>()
  })

  it("the other inputs equal their schemas' inputs", () => {
    expectTypeOf<typeof CompleteMany.Encoded>().toEqualTypeOf<CompleteManyInput>()
    expectTypeOf<typeof NewCard.Encoded>().toEqualTypeOf<NewCardInput>()
    expectTypeOf<typeof ClaimFilter.Encoded>().toEqualTypeOf<ClaimFilter>()
    expectTypeOf<Exclude<Encoded<"Complete">["claimNext"], undefined>>().toEqualTypeOf<ClaimRequest>()
    expectTypeOf<typeof ListOptions.Encoded>().toEqualTypeOf<ListInput>()
    expectTypeOf<typeof AwaitClaimable.Encoded>().toEqualTypeOf<AwaitClaimableInput>()
    expectTypeOf<typeof AwaitClaimEnd.Encoded>().toEqualTypeOf<AwaitClaimEndInput>()
  })

  it("the inputs of AuditService equal their schemas' inputs", () => {
    expectTypeOf<typeof At.Encoded>().toEqualTypeOf<MomentInput>()
    expectTypeOf<typeof CardAt.Encoded>().toEqualTypeOf<CardMomentInput>()
    expectTypeOf<typeof EventOptions.Encoded>().toEqualTypeOf<EventsInput>()
    expectTypeOf<typeof FlowOptions.Encoded>().toEqualTypeOf<FlowInput>()
    expectTypeOf<typeof Redact.Encoded>().toEqualTypeOf<RedactInput>()
    expectTypeOf<typeof PruneReceipts.Encoded>().toEqualTypeOf<PruneReceiptsInput>()
    expectTypeOf<typeof Restored.Encoded>().toEqualTypeOf<RestoredInput>()
  })
})
