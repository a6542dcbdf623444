import { Effect, Schema } from "effect"
import { Anchor, formatAnchor, AuditService } from "../../index.ts"
import { text } from "../flags.ts"
import { keyOfFile } from "../keyFile.ts"
import { reply } from "../Reply.ts"
import { verb } from "../verb.ts"

export const anchor = verb(
  "anchor",
  {
    about:
      "Prints one line that stands for the whole log as it is now. Keep it where nobody who can write to the database can change it: verify --anchor proves later that the log up to there is still the same.",
    brief: "Print a line that proves the log later",
    examples: [
      { command: "backlog anchor" },
      { command: "backlog anchor --key anchor.key > anchor.txt", description: "Signed with an Ed25519 key" }
    ]
  },
  { key: text("key", "A file with an Ed25519 private key in PEM, to sign it", "PATH") },
  Effect.fnUntraced(function* ({ key }) {
    const privateKey = key === undefined ? undefined : yield* keyOfFile("key", key, "private")
    return Effect.gen(function* () {
      const made = yield* (yield* AuditService).anchor({ privateKey })
      const line = formatAnchor(made)
      return reply(
        () => ({ ...encode(made), line }),
        () => line
      )
    })
  })
)

const encode = Schema.encodeSync(Anchor)
