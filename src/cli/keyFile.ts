import { Effect } from "effect"
import { createPrivateKey, createPublicKey } from "node:crypto"
import { InvalidInput } from "../index.ts"
import { isSecretExposed } from "../services/files/privateFiles.ts"
import { textOfFile } from "./textInput.ts"

/** The Ed25519 key in a file that a flag names, as PEM. A private key that other users can read is refused. */
export const keyOfFile = Effect.fnUntraced(function* (flag: string, path: string, kind: "private" | "public") {
  const pem = yield* textOfFile(flag, path)
  const refused = (problem: string) => new InvalidInput({ problem: `what --${flag} names ${problem}` })
  if (kind === "private" && isSecretExposed(path)) return yield* refused("can be read by other users: chmod 600")
  const key = yield* Effect.try({
    try: () => (kind === "private" ? createPrivateKey(pem) : createPublicKey(pem)),
    catch: () => refused(`is no ${kind} key in PEM`)
  })
  if (key.asymmetricKeyType !== "ed25519") {
    return yield* refused(`is a key of type ${key.asymmetricKeyType}, and must be Ed25519`)
  }
  return pem
})
