import { Effect, Redacted, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { AccessRole, AccessToken, AccessTokens, InvalidInput, NewAccessToken } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { currentActor, environmentActor } from "../currentActor.ts"
import { requireDatabase, withAccessTokens } from "../database.ts"
import { withHelp } from "../defineCommand.ts"
import { Actor, choiceFlag, decimalFlag, Json } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { type Column, formatTable } from "../table.ts"
import { escapeLine, type TextStyle, textStyleOf } from "../terminalText.ts"

const encodeToken = Schema.encodeSync(AccessToken)
const encodeTokens = Schema.encodeSync(Schema.Array(AccessToken))
const decodeNewToken = decodeInput(NewAccessToken)

const create = withHelp(
  Command.make(
    "create",
    {
      role: choiceFlag("role", AccessRole.literals, "Role of the token's holder"),
      expiresInDays: decimalFlag("expires-in-days", "Days until the token expires. Defaults to never", "DAYS")
    },
    Effect.fnUntraced(function* ({ expiresInDays, role }) {
      yield* requireDatabase("token create")
      const actor = yield* Actor
      if (actor === undefined || role === undefined) {
        return yield* new InvalidInput({ problem: "a token requires --actor NAME, its holder, and --role ROLE" })
      }
      const input = { actor, role, expiresInDays, createdBy: yield* environmentActor }
      yield* decodeNewToken(input)
      const { secret, token } = yield* withAccessTokens(
        "token create",
        Effect.flatMap(AccessTokens, (tokens) => tokens.create(input))
      )
      const shown = Redacted.value(secret)
      const output = makeOutput(
        () => ({ ...encodeToken(token), token: shown }),
        (style) => style.bold(shown)
      )
      yield* print(yield* render(output))
      if (yield* Json) return
      const { env, stderr } = yield* ProcessIO
      const about = `Token ${token.id} of the ${token.role} ${escapeLine(token.actor)}: ${describeValidity(token)}.`
      stderr.write(`${textStyleOf(stderr, env).dim(`${about} The token cannot be shown again.`)}\n`)
    })
  ),
  {
    description:
      "Creates a token that authenticates a caller of `backlog serve`. --actor is the actor of every event that is caused with it. A worker reads, claims, and renews, releases, completes and blocks its own claims; an orchestrator does everything except erase; an auditor reads, verifies, anchors and erases. Standard output is only the token, as in TOKEN=$(backlog token create …); its id is on standard error. The backlog stores only a hash of the token.",
    summary: "Create a token",
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
      const tokens = yield* withAccessTokens(
        "token list",
        Effect.flatMap(AccessTokens, (each) => each.list)
      )
      const output = makeOutput(
        () => encodeTokens(tokens),
        (style) =>
          tokens.length === 0 ? "There are no tokens." : formatTable(tokenColumns(style), tokens, style).join("\n")
      )
      yield* print(yield* render(output))
    })
  ),
  {
    description: "Lists tokens with their actor, role, expiry and last use, but not their secrets.",
    summary: "List tokens",
    examples: [{ command: "backlog token list" }]
  }
)

const revoke = withHelp(
  Command.make(
    "revoke",
    { id: Argument.String("id").pipe(Argument.withDescription("The token's id, as `token list` prints it")) },
    Effect.fnUntraced(function* ({ id }) {
      yield* requireDatabase("token revoke")
      const by = yield* currentActor
      const token = yield* withAccessTokens(
        "token revoke",
        Effect.flatMap(AccessTokens, (tokens) => tokens.revoke(id, by))
      )
      const output = makeOutput(
        () => encodeToken(token),
        () =>
          `Token ${escapeLine(token.id)} of ${escapeLine(token.actor)} is revoked. Servers reject it within 2 seconds.`
      )
      yield* print(yield* render(output))
    })
  ),
  {
    description: "Revokes a token: servers reject it within 2 seconds, and close its open streams.",
    summary: "Revoke a token",
    examples: [{ command: "backlog token revoke 3f9a1c20b7d4e865" }]
  }
)

const describeValidity = ({ expiresAt, revokedAt }: AccessToken): string =>
  revokedAt !== null
    ? `revoked ${formatTime(revokedAt)}`
    : expiresAt === null
      ? "never expires"
      : `valid until ${formatTime(expiresAt)}`

const tokenColumns = (style: TextStyle): ReadonlyArray<Column<AccessToken>> => [
  { title: "ID", text: ({ id }) => id, paint: () => style.bold },
  { title: "ACTOR", text: ({ actor }) => actor, minWidth: 12 },
  { title: "ROLE", text: ({ role }) => role },
  {
    title: "VALIDITY",
    text: describeValidity,
    paint: ({ revokedAt }) => (revokedAt === null ? style.green : style.red)
  },
  { title: "CREATED", text: ({ createdAt }) => formatTime(createdAt), paint: () => style.dim },
  { title: "BY", text: ({ createdBy }) => createdBy, minWidth: 8, paint: () => style.dim },
  {
    title: "USED",
    text: ({ lastUsedAt }) => (lastUsedAt === null ? "never" : formatTime(lastUsedAt)),
    paint: () => style.dim
  }
]

export const tokenCommand = withHelp(Command.make("token").pipe(Command.withSubcommands([create, list, revoke])), {
  description: "Manages the tokens that authenticate callers of `backlog serve`.",
  summary: "Create, list and revoke access tokens",
  examples: [{ command: "backlog token create --actor worker-1 --role worker" }, { command: "backlog token list" }]
})
