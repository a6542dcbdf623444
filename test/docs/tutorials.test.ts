import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { describe, expect, inject, it } from "vitest"
import { sql, temporaryDirectory } from "../cli/support.ts"
import { runTutorial } from "./support/Tutorial.ts"

const root = join(import.meta.dirname, "..", "..")

/** Fails if the page shows other outputs. `vitest run -u` writes the outputs of this run into the page. */
const expectSame = (page: string, text: string) => expect(text).toMatchFileSnapshot(join(root, page))

describe("the tutorials", { timeout: 900_000 }, () => {
  it("every command of docs/first-hour.md prints what the page shows", async () => {
    const database = `first_hour_${randomBytes(6).toString("hex")}`
    await sql((client) => client.unsafe(`CREATE DATABASE ${database}`))
    const url = new URL(inject("postgresUrl"))
    url.pathname = `/${database}`
    try {
      const ran = await runTutorial("docs/first-hour.md", {
        home: await temporaryDirectory(),
        startsIn: root,
        without: /^(npm |mkdir .*\nnpm )/,
        instead: [
          ["postgres://me@db.example.com/work", url.href],
          ["db.example.com:5432", url.host]
        ]
      })
      expect(ran.failures, ran.failed).toEqual([
        [`backlog work --owner worker-2 --ttl 5 --exec 'kill -9 "$PPID"'`, 137],
        ["backlog complete release --token 2", 5]
      ])
      await expectSame("docs/first-hour.md", ran.page)
    } finally {
      await sql((client) => client.unsafe(`DROP DATABASE ${database} WITH (FORCE)`))
    }
  })
})
