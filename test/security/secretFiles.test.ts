import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { generateKeyPairSync } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { readKeyFile } from "../../src/cli/readInput.ts"
import { parseConnectionSettings } from "../../src/services/postgres/connectionSettings.ts"
import { readTlsOptions } from "../../src/services/postgres/connectionFiles.ts"
import { afterAll } from "vitest"

const folder = mkdtempSync(join(tmpdir(), "mosaic-secrets-"))
afterAll(() => rmSync(folder, { recursive: true }))

const key = join(folder, "key")
writeFileSync(key, generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }))

const openModes = [0o644, 0o602, 0o604, 0o660, 0o666]

describe.skipIf(process.geteuid === undefined)("a private key that other users can read", () => {
  it.effect("does not sign anchors", () =>
    Effect.gen(function* () {
      for (const mode of openModes) {
        chmodSync(key, mode)
        const read = yield* Effect.result(readKeyFile("anchor-key", key, "private"))
        assert(Result.isFailure(read), mode.toString(8))
        assert.include(read.failure.message, "the file of --anchor-key can be read by other users: chmod 600")
      }
      chmodSync(key, 0o600)
      assert.include(yield* readKeyFile("anchor-key", key, "private"), "PRIVATE KEY")
    })
  )

  it("does not identify a client to a server", () => {
    const certificate = join(folder, "certificate")
    writeFileSync(certificate, "certificate")
    const url = `postgres://db.example/?sslmode=require&sslcert=${certificate}&sslkey=${key}`
    const settings = Result.getOrThrow(parseConnectionSettings(url, {}))
    for (const mode of openModes) {
      chmodSync(key, mode)
      assert.throws(() => readTlsOptions(settings), /sslkey names a file that can be read by other users: chmod 600/)
    }
    chmodSync(key, 0o600)
    assert.include((readTlsOptions(settings) as { readonly key: string }).key, "PRIVATE KEY")
  })
})
