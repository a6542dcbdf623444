/**
 * Property tests of a backlog, and of services that are built on one.
 *
 * @module
 */
export { BacklogTestClock, layerTest, layerTestOver } from "../services/layers.ts"
export { accept, agrees } from "./accept.ts"
export { commandArbitrary, defaultPools, newCardArbitrary, type Pools } from "./arbitraries.ts"
export { claimOrder, type ClaimOrderReport } from "./claimOrder.ts"
export { type Asked, explainAnswers } from "./explainAnswers.ts"
export { generateClaims, generateProgram, type ProgramSize } from "./generateProgram.ts"
export { type History, HistoryRecorder, type Operation } from "./History.ts"
export { type BacklogState, invariants } from "./invariants.ts"
export { linearizable, type LinearizableReport } from "./linearizable.ts"
export { LogCheck } from "./LogCheck.ts"
export {
  emptyModel,
  type Model,
  type ModelAnswer,
  type ModelCard,
  type ModelCommand,
  type ModelCompletedCard,
  type ModelOutcome,
  type ModelReceipt,
  type ModelRejection
} from "./Model.ts"
export { explainCard, listCards, type ModelListOptions, statsOf, whyNothingClaimable } from "./modelQueries.ts"
export { observe } from "./observe.ts"
export { describeProgram, type Hearing, type Program, type Step, type TokenChoice, type Wish } from "./Program.ts"
export { runConcurrently, type RunConcurrentlyOptions } from "./runConcurrently.ts"
export { type ProgramFailure, type ProgramResult, type Restoring, runProgram } from "./runProgram.ts"
export { shrink } from "./shrink.ts"
export { SimulationFailed, type SimulateOptions, type Simulated, simulate } from "./simulate.ts"
export { step } from "./step.ts"
