/**
 * Property tests for a backlog, and for services that use one.
 *
 * @module
 */
export { BacklogTestClock, layerTest, layerTestOver } from "../services/layers.ts"
export {
  type BacklogTemplate,
  type DatabaseFiles,
  copyTemplate,
  layerTestFrom,
  makeTemplate
} from "./BacklogTemplate.ts"
export { commandArbitrary, defaultPools, newCardArbitrary, type Pools } from "./arbitraries.ts"
export { checkClaimOrder, type ClaimOrderReport } from "./checkClaimOrder.ts"
export { generateClaimProgram, generateProgram, type ProgramSize } from "./generateProgram.ts"
export { type History, HistoryRecorder, type Operation } from "./History.ts"
export { type BacklogState, checkInvariants } from "./checkInvariants.ts"
export { checkLinearizability, type LinearizabilityReport } from "./checkLinearizability.ts"
export { LogChecker } from "./LogChecker.ts"
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
export { explainCard, listCards, type ModelListOptions, computeStats, whyNothingClaimable } from "./modelQueries.ts"
export { execute } from "./execute.ts"
export {
  describeProgram,
  type AnswerDelivery,
  type Program,
  type Step,
  type TokenChoice,
  type CommandTemplate,
  type Unsigned
} from "./Program.ts"
export { runConcurrently, type RunConcurrentlyOptions } from "./runConcurrently.ts"
export { type ProgramFailure, type ProgramResult, type Backup, runProgram } from "./runProgram.ts"
export { shrink } from "./shrink.ts"
export { simulate, type SimulateOptions, SimulationFailed, type SimulationReport } from "./simulate.ts"
export { step } from "./step.ts"
export { isSameOutcome, type ObservedCommand, stepConcurrent, stepObserved } from "./stepObserved.ts"
