import { afterAll, assert, describe, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"
import { makeProblem, problemTags } from "../../src/http/problems.ts"
import { onServer, sql, temporaryDirectory } from "../cli/support.ts"
import { exampleOf } from "../docs/support/examples.ts"
import { blocksOn, read, textsOn } from "../docs/support/pages.ts"
import { Shell } from "../docs/support/Shell.ts"
import { linesIn } from "../docs/support/shellLines.ts"
import { run } from "./support/securedServer.ts"

describe.each(["docs/security.md", "docs/operations.md", "docs/http.md"])("the examples in %s", (page) => {
  const place = onServer()
  afterAll(() => place.remove())

  it("produce the shown output", async () => {
    const shell = new Shell({
      folder: await temporaryDirectory(),
      flags: ["--schema", place.schema],
      env: { BACKLOG_DATABASE_URL: inject("postgresUrl") },
      instead: [
        ["postgres://me@localhost/work", inject("postgresUrl")],
        // The collector does not exist, and the server works without it.
        ["http://localhost:4318", "http://127.0.0.1:9"]
      ]
    })
    try {
      const blocks = blocksOn(page).filter(({ language }) => language === "sh" || language === "indented")
      const lines = blocks.flatMap(({ text }) => linesIn(text)).filter((line) => line !== "npm start")
      assert.isNotEmpty(lines)
      for (const { code, line, stderr } of await shell.run(lines.join("\n"))) {
        // The doctor may find that the tests connect as a superuser.
        assert.include(line.startsWith("backlog doctor") ? [0, 1] : [0], code, `${line}\n${stderr}`)
      }
    } finally {
      await shell.end()
    }
  })
})

describe("the program in docs/security.md", () => {
  it("is the program that this test runs, except for its imports", () => {
    assert.deepStrictEqual(textsOn("docs/security.md", "ts"), [exampleOf("test/http/support/securedServer.ts")])
  })

  it("does not start without a token", async () => {
    // The program uses the default schema, so the test creates a separate database.
    const database = `docs_${randomBytes(6).toString("hex")}`
    await sql((client) => client.unsafe(`CREATE DATABASE ${database}`))
    const url = new URL(inject("postgresUrl"))
    url.pathname = database
    await run(url.href).then(
      () => assert.fail("it serves"),
      (error: Error) => assert.match(error.message, /none exists yet. Create one with `backlog token create`/)
    )
    await sql((client) => client.unsafe(`DROP DATABASE ${database} WITH (FORCE)`))
  })
})

describe("the problems in docs/http.md", () => {
  it("have the statuses of all problems of a server", () => {
    const listed = [...read("docs/http.md").matchAll(/^\| ([45]\d\d) \|/gm)].map(([, status]) => Number(status))
    const statuses = new Set(problemTags.map((tag) => makeProblem(tag, "").status))
    assert.deepStrictEqual(
      listed,
      [...statuses].sort((left, right) => left - right)
    )
  })
})
