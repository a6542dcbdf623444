import { Effect, Redacted, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import { AccessRole, AccessToken, AccessTokens, InvalidInput, NewAccessToken } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { withAccessTokens } from "../database.ts"
import { decimal, oneOf } from "../flags.ts"
import { Actor, actorOfEnvironment, currentActor, Json } from "../globals.ts"
import { Host } from "../Host.ts"
import { type Page, pageOf } from "../Page.ts"
import { reply } from "../Reply.ts"
import { type Column, table } from "../table.ts"
import { oneLine } from "../terminalText.ts"
import { moment } from "../times.ts"
import { documented, print, rendered } from "../verb.ts"

const encodeToken = Schema.encodeSync(AccessToken)
const encodeTokens = Schema.encodeSync(Schema.Array(AccessToken))
const decodeNewToken = decodeInput(NewAccessToken)

const create = documented(
  Command.make(
    "create",
    {
      role: oneOf("role", AccessRole.literals, "What its holder may do"),
      expiresInDays: decimal("expires-in-days", "When it is no longer taken (default: never)", "DAYS")
    },
    Effect.fnUntraced(function* ({ expiresInDays, role }) {
      const actor = yield* Actor
      if (actor === undefined || role === undefined) {
        return yield* new InvalidInput({ problem: "a token needs --actor NAME, whose it is, and --role ROLE" })
      }
      const input = { actor, role, expiresInDays, createdBy: yield* actorOfEnvironment }
      yield* decodeNewToken(input)
      const { secret, token } = yield* withAccessTokens(Effect.flatMap(AccessTokens, (tokens) => tokens.create(input)))
      const shown = Redacted.value(secret)
      const answer = reply(
        () => ({ ...encodeToken(token), token: shown }),
        (page) => page.bold(shown)
      )
      yield* print(yield* rendered(answer))
      if (yield* Json) return
      const { env, stderr } = yield* Host
      const about = `${capitalised(token.role)} ${oneLine(token.actor)}, ${untilWhen(token)}, with the id ${token.id}.`
      stderr.write(`${pageOf(stderr, env).dim(`${about} The token cannot be shown again.`)}\n`)
    })
  ),
  {
    about:
      "Makes a token by which `backlog serve` knows who calls: --actor is who every event is by that is caused with it. A worker reads, claims, and renews, releases and completes its own claims; an orchestrator does everything but erase; an auditor reads, verifies, anchors and erases. Standard output is the token alone, so that TOKEN=$(backlog token create …) is the token; its id is on standard error. The backlog keeps only a hash of it.",
    brief: "Make a token",
    examples: [
      { command: "TOKEN=$(backlog token create --actor worker-1 --role worker)" },
      { command: "backlog token create --actor planner --role orchestrator --expires-in-days 90" }
    ]
  }
)

const list = documented(
  Command.make(
    "list",
    {},
    Effect.fnUntraced(function* () {
      const tokens = yield* withAccessTokens(Effect.flatMap(AccessTokens, (each) => each.list))
      const answer = reply(
        () => encodeTokens(tokens),
        (page) => (tokens.length === 0 ? "There are no tokens." : table(columnsOf(page), tokens, page).join("\n"))
      )
      yield* print(yield* rendered(answer))
    })
  ),
  {
    about: "Lists tokens: whose they are, what they allow, until when, and when they were used last. Not the secrets.",
    brief: "List tokens",
    examples: [{ command: "backlog token list" }]
  }
)

const revoke = documented(
  Command.make(
    "revoke",
    { id: Argument.String("id").pipe(Argument.withDescription("The token's id, as `token list` shows it")) },
    Effect.fnUntraced(function* ({ id }) {
      const by = yield* currentActor
      const token = yield* withAccessTokens(Effect.flatMap(AccessTokens, (tokens) => tokens.revoke(id, by)))
      const answer = reply(
        () => encodeToken(token),
        () => `Token ${oneLine(token.id)} of ${oneLine(token.actor)} is revoked. Servers notice within 2 seconds.`
      )
      yield* print(yield* rendered(answer))
    })
  ),
  {
    about: "Sees to it that a token is not taken any more: servers notice within 2 seconds, and end what it has open.",
    brief: "Revoke a token",
    examples: [{ command: "backlog token revoke 3f9a1c20b7d4e865" }]
  }
)

const untilWhen = ({ expiresAt, revokedAt }: AccessToken): string =>
  revokedAt !== null ? `revoked ${moment(revokedAt)}` : expiresAt === null ? "for good" : `until ${moment(expiresAt)}`

const capitalised = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

const columnsOf = (page: Page): ReadonlyArray<Column<AccessToken>> => [
  { title: "ID", text: ({ id }) => id, paint: () => page.bold },
  { title: "ACTOR", text: ({ actor }) => actor, atLeast: 12 },
  { title: "ROLE", text: ({ role }) => role },
  { title: "TAKEN", text: untilWhen, paint: ({ revokedAt }) => (revokedAt === null ? page.green : page.red) },
  { title: "CREATED", text: ({ createdAt }) => moment(createdAt), paint: () => page.dim },
  { title: "BY", text: ({ createdBy }) => createdBy, atLeast: 8, paint: () => page.dim },
  {
    title: "USED",
    text: ({ lastUsedAt }) => (lastUsedAt === null ? "never" : moment(lastUsedAt)),
    paint: () => page.dim
  }
]

export const token = documented(Command.make("token").pipe(Command.withSubcommands([create, list, revoke])), {
  about: "Tokens by which `backlog serve` knows who calls.",
  brief: "Make, list and revoke tokens of a server",
  examples: [{ command: "backlog token create --actor worker-1 --role worker" }, { command: "backlog token list" }]
})
