import { text, whole } from "./flags.ts"

/** Which cards a claim chooses among. */
export const choiceFlags = {
  phase: text("phase", "Only cards of this phase", "PHASE"),
  minPriority: whole("min-priority", "Only cards of this priority or more")
}
