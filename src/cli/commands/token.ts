import { Effect, Redacted, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { formatTime } from "../moments.ts"
import { withAccessTokens } from "../database.ts"
import { Actor, environmentActor, currentActor, decimalFlag, Json, choiceFlag } from "../flags.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle, textStyleOf } from "../terminalText.ts"
import { withHelp } from "../defineCommand.ts"
import { AccessRole, AccessToken, AccessTokens, InvalidInput, NewAccessToken } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"

const encodeToken = Schema.encodeSync(AccessToken)
const encodeTokens = Schema.encodeSync(Schema.Array(AccessToken))
const decodeNewToken = decodeInput(NewAccessToken)

const create = withHelp(
  Command.make(
    "create",
    {
      role: choiceFlag("role", AccessRole.literals, "What its holder may do"),
      expiresInDays: decimalFlag("expires-in-days", "When it is no longer taken (default: never)", "DAYS")
    },
    Effect.fnUntraced(function* ({ expiresInDays, role }) {
      const actor = yield* Actor
      if (actor === undefined || role === undefined) {
        return yield* new InvalidInput({ problem: "a token needs --actor NAME, whose it is, and --role ROLE" })
      }
      const input = { actor, role, expiresInDays, createdBy: yield* environmentActor }
      yield* decodeNewToken(input)
      const { secret, token } = yield* withAccessTokens(Effect.flatMap(AccessTokens, (tokens) => tokens.create(input)))
      const shown = Redacted.value(secret)
      const answer = makeOutput(
        () => ({ ...encodeToken(token), token: shown }),
        (style) => style.bold(shown)
      )
      yield* print(yield* render(answer))
      if (yield* Json) return
      const { env, stderr } = yield* ProcessIO
      const about = `${capitalize(token.role)} ${escapeLine(token.actor)}, ${describeValidity(token)}, with the id ${token.id}.`
      stderr.write(`${textStyleOf(stderr, env).dim(`${about} The token cannot be shown again.`)}\n`)
    })
  ),
  {
    description:
      "Makes a token by which `backlog serve` knows who calls: --actor is who every event is by that is caused with it. A worker reads, claims, and renews, releases and completes its own claims; an orchestrator does everything but erase; an auditor reads, verifies, anchors and erases. Standard output is the token alone, so that TOKEN=$(backlog token create …) is the token; its id is on standard error. The backlog keeps only a hash of it.",
    summary: "Make a token",
    examples: [
      { command: "TOKEN=$(backlog token create --actor worker-1 --role worker)" },
      { command: "backlog token create --actor planner --role orchestrator --expires-in-days 90" }
    ]
  }
)

const list = withHelp(
  Command.make(
    "list",
    {},
    Effect.fnUntraced(function* () {
      const tokens = yield* withAccessTokens(Effect.flatMap(AccessTokens, (each) => each.list))
      const answer = makeOutput(
        () => encodeTokens(tokens),
        (style) =>
          tokens.length === 0 ? "There are no tokens." : formatTable(tokenColumns(style), tokens, style).join("\n")
      )
      yield* print(yield* render(answer))
    })
  ),
  {
    description:
      "Lists tokens: whose they are, what they allow, until when, and when they were used last. Not the secrets.",
    summary: "List tokens",
    examples: [{ command: "backlog token list" }]
  }
)

const revoke = withHelp(
  Command.make(
    "revoke",
    { id: Argument.String("id").pipe(Argument.withDescription("The token's id, as `token list` shows it")) },
    Effect.fnUntraced(function* ({ id }) {
      const by = yield* currentActor
      const token = yield* withAccessTokens(Effect.flatMap(AccessTokens, (tokens) => tokens.revoke(id, by)))
      const answer = makeOutput(
        () => encodeToken(token),
        () => `Token ${escapeLine(token.id)} of ${escapeLine(token.actor)} is revoked. Servers notice within 2 seconds.`
      )
      yield* print(yield* render(answer))
    })
  ),
  {
    description:
      "Sees to it that a token is not taken any more: servers notice within 2 seconds, and end what it has open.",
    summary: "Revoke a token",
    examples: [{ command: "backlog token revoke 3f9a1c20b7d4e865" }]
  }
)

const describeValidity = ({ expiresAt, revokedAt }: AccessToken): string =>
  revokedAt !== null
    ? `revoked ${formatTime(revokedAt)}`
    : expiresAt === null
      ? "for good"
      : `until ${formatTime(expiresAt)}`

const capitalize = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

const tokenColumns = (style: TextStyle): ReadonlyArray<Column<AccessToken>> => [
  { title: "ID", text: ({ id }) => id, paint: () => style.bold },
  { title: "ACTOR", text: ({ actor }) => actor, minWidth: 12 },
  { title: "ROLE", text: ({ role }) => role },
  { title: "TAKEN", text: describeValidity, paint: ({ revokedAt }) => (revokedAt === null ? style.green : style.red) },
  { title: "CREATED", text: ({ createdAt }) => formatTime(createdAt), paint: () => style.dim },
  { title: "BY", text: ({ createdBy }) => createdBy, minWidth: 8, paint: () => style.dim },
  {
    title: "USED",
    text: ({ lastUsedAt }) => (lastUsedAt === null ? "never" : formatTime(lastUsedAt)),
    paint: () => style.dim
  }
]

export const tokenCommand = withHelp(Command.make("token").pipe(Command.withSubcommands([create, list, revoke])), {
  description: "Tokens by which `backlog serve` knows who calls.",
  summary: "Make, list and revoke tokens of a server",
  examples: [{ command: "backlog token create --actor worker-1 --role worker" }, { command: "backlog token list" }]
})
