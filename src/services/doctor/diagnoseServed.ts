import { Schema } from "effect"
import { quote } from "../../domain/displayText.ts"
import { AccessRole } from "../access/AccessRole.ts"
import { DoctorFacts } from "./DoctorFacts.ts"
import {
  anchors,
  claims,
  consumers,
  type DoctorFinding,
  erasures,
  type Finding,
  note,
  ok,
  problem,
  work
} from "./diagnose.ts"

const {
  anchorFile,
  claimable,
  erasures: pendingErasures,
  expiredClaims,
  head,
  oldestReadyAgeSeconds
} = DoctorFacts.fields

/** The facts about a served backlog that its server shows to the caller. Ages are in seconds. */
export const ServedFacts = Schema.Struct({
  server: Schema.Struct({
    url: Schema.String,
    /** The version of the server's program; `null` if it is too old to show it. */
    version: Schema.NullOr(Schema.String),
    /** The version of this program. */
    ownVersion: Schema.String,
    /** Why it accepts no commands; `null` if it does. */
    notReady: Schema.NullOr(Schema.String)
  }),
  /** The caller; `null` if the server is too old to show it. */
  caller: Schema.NullOr(
    Schema.Struct({
      actor: Schema.NullOr(Schema.String),
      role: Schema.Literals([...AccessRole.literals, "unrestricted"])
    })
  ),
  /** The position of the last event; `null` if the caller's role may not read it. */
  head,
  erasures: pendingErasures,
  /** The consumers; `null` if the end of the log is unknown. */
  consumers: Schema.NullOr(DoctorFacts.fields.consumers),
  anchorFile,
  expiredClaims,
  claimable,
  oldestReadyAgeSeconds
})

/** The facts about a served backlog. */
export interface ServedFacts extends Schema.Schema.Type<typeof ServedFacts> {}

/** Interprets the facts about a served backlog. Returns the findings and recommended actions, in the order of the checks. */
export const diagnoseServed = (facts: ServedFacts): ReadonlyArray<DoctorFinding> =>
  checks.flatMap(([check, run]) => run(facts).map((finding) => ({ check, ...finding })))

const server = ({ server: { notReady, ownVersion, url, version } }: ServedFacts) => [
  notReady === null
    ? ok(`The server ${url} accepts commands.`)
    : problem(`The server ${url} accepts no commands: ${notReady}`, "Run `backlog doctor` where its database is."),
  ...(version === ownVersion
    ? []
    : [
        note(
          `The server's program is ${version === null ? "of an older version" : `version ${version}`}, and this one is version ${ownVersion}.`
        )
      ])
]

const access = ({ caller }: ServedFacts) => {
  if (caller === null) return []
  return caller.role === "unrestricted"
    ? [note("The server requires no token: every program that reaches its port can do everything.")]
    : [ok(`The token is that of the ${caller.role} ${quote(caller.actor ?? "")}.`)]
}

const databaseNote = () => [
  note(
    "The database's versions, migrations, roles, settings, clock, notifications and dead rows, and overlapping tokens, are checked only where it is: run `backlog doctor` there."
  )
]

const checks: ReadonlyArray<readonly [string, (facts: ServedFacts) => ReadonlyArray<Finding>]> = [
  ["server", server],
  ["access", access],
  [
    "consumers",
    ({ consumers: of, head: end }) =>
      of === null
        ? [note("Whether consumers keep up is shown to orchestrators and auditors.")]
        : consumers({ consumers: of, head: end })
  ],
  ["erasures", erasures],
  ["anchors", (facts) => anchors({ ...facts, server: { isReplica: false } })],
  ["claims", claims],
  ["work", work],
  ["database", databaseNote]
]
