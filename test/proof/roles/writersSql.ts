import { textField } from "../../../src/sql/recordLines.ts"

/** A call of a function of the backlog, with arguments by name. Those that are not given are null. */
export type Arguments = Readonly<Record<string, string | boolean | number | null>>

const parameters = {
  append_and_project_v4:
    "events data erasable commitments continues read_generation created_states created_contents changed revised noted counters added_edges removed_edges counted made_claimable first_expiry first_retry new_receipts awaits_standby is_single commits_early override",
  begin_generation_v1: "reason at_least override",
  change_card_v1:
    "card card_position of_phase least_priority decided_at decided_before read_generation event_type event_schema data erasable commitments by_actor correlation causation event_version new_state counted first_expiry commits_early override",
  lock_and_load_v4:
    "graph named keys done_changes completed edge_targets has_dependents claimed_by_id claim_limit claim_phases claim_priorities claim_limits labelled edges_from edges_to reclaims command_ids actors idle_timeout override",
  lock_head_v1: ""
} as const

/** The statement that calls a function with arguments by name. */
export const callStatement = (schema: string, name: keyof typeof parameters, given: Arguments = {}): string => {
  const names = parameters[name].split(" ").filter((each) => each !== "")
  const unknown = Object.keys(given).find((each) => !names.includes(each))
  if (unknown !== undefined) throw new Error(`${name} has no parameter ${unknown}`)
  const list = names.map((each) => `${each} => ${literal(given[each] ?? null)}`)
  return `SELECT ${schema}.${name}(${list.join(", ")})::text AS result`
}

const literal = (value: string | boolean | number | null): string =>
  value === null
    ? "NULL"
    : typeof value === "string"
      ? `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("\n", "\\n")}'`
      : String(value)

/** The arguments of a call that appends the second event of a card, a valid revision of its priority, and writes no row. */
export const eventOf = (
  cardId: string,
  {
    actor = "mallory",
    data = '{"priority":5}',
    occurredAt = "2026-01-01T00:00:00.000Z",
    schemaVersion = "1",
    type = "CardRevised",
    version = "2",
    ...others
  }: Partial<Record<"actor" | "data" | "occurredAt" | "schemaVersion" | "type" | "version", string>> & Arguments = {}
): Arguments => ({
  events: `(${textField(cardId)},${version},${type},${schemaVersion},${textField(actor)},,,,${textField(occurredAt)})`,
  data,
  ...others
})

/** Appends with the generation of the log, as a program would, with a writer's own SQL. */
export const appendStatement = (
  schema: string,
  given: Arguments,
  name: "append_and_project_v4" | "change_card_v1" = "append_and_project_v4"
): string =>
  callStatement(schema, name, given).replace(
    "read_generation => NULL",
    `read_generation => (SELECT generation FROM ${schema}.head)`
  )
