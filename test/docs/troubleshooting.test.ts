import { randomBytes } from "node:crypto"
import { request } from "node:http"
import { afterAll, describe, expect, inject, it } from "vitest"
import { problemTags } from "../../src/http/problems.ts"
import { NothingReason, outlookReasonText } from "../../src/domain/ClaimOutlook.ts"
import { cli, onServer, type RunResult, sql, temporaryDirectory } from "../cli/support.ts"
import { startServe } from "../http/support/startServe.ts"
import { freePort } from "../support/postgresServer.ts"
import { isMessage, sourceText } from "./support/messages.ts"
import { blocksOn, read, textsOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"
import { linesIn } from "./support/shellLines.ts"

const page = "docs/troubleshooting.md"

/** The messages on the page, one per line. */
const messages = textsOn(page, "text").flatMap((text) => text.trim().split("\n"))

/** Replaces what differs from run to run, in messages and on the page. */
const normalize = (text: string): string =>
  text
    .replace(/^error: /, "")
    .replaceAll(/https?:\/\/[\w.:-]+/g, "URL")
    .replaceAll(/(?:\d+\.\d+\.\d+\.\d+|db\.example\.com|localhost):\d+/g, "HOST")
    .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+Z/g, "TIME")
    .replaceAll(/migration \d+ \(\w+\)/g, "MIGRATION")
    .replaceAll(/schema "\w+"/g, "SCHEMA")
    .replaceAll(/owner "\w+"/g, "OWNER")
    .replaceAll(/"(?:work|none_\w+)"/g, "DATABASE")
    .replaceAll(/token \d+/g, "TOKEN")

const onPage = new Set(messages.map(normalize))

/** The first line of an error. */
const errorOf = ({ stderr }: RunResult): string =>
  stderr.split("\n").find((line) => line.startsWith("error:")) ?? stderr

/** A shell whose commands use a backlog on the server. */
const shellOver = async ({ schema }: { readonly schema: string }): Promise<Shell> =>
  new Shell({
    folder: await temporaryDirectory(),
    flags: ["--schema", schema],
    env: { BACKLOG_DATABASE_URL: inject("postgresUrl") }
  })

const expectOnPage = (produced: ReadonlyArray<string>): void => {
  for (const text of produced) expect([...onPage]).toContain(normalize(text))
}

describe("the messages in docs/troubleshooting.md", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("every message is one that the program can produce", () => {
    expect(messages.length).toBeGreaterThan(40)
    // These are put together from several texts; the tests below produce them.
    const produced =
      /^error: (?:There is nothing to claim|Unrecognized flag|Card "build" cannot|Invalid input: --db takes|The server \S+ (?:cannot be|returned))|^Found 1 div/
    expect(
      messages.filter((text) => !produced.test(text) && !isMessage(text) && !isMessage(text.replace(/^error: /, "")))
    ).toEqual([])
    expect(isMessage("There is no backlog in this text of mine")).toBe(false)
  })

  it("commands without a database fail with the shown messages", async () => {
    const folder = await temporaryDirectory()
    const shell = new Shell({ folder })
    try {
      const refused = await shell.run(
        [
          "backlog list",
          "backlog list --db db.example.com:5432/work",
          `backlog list --db "'postgres://db.example.com/work'"`,
          "DATABASE_URL=http://127.0.0.1:4010 backlog list",
          `backlog list --db postgres://me@127.0.0.1:${await freePort()}/work`,
          `backlog list --db http://127.0.0.1:${await freePort()}`
        ].join("\n")
      )
      expect(refused.map(({ code }) => code)).toEqual([6, 2, 2, 2, 6, 6])
      expectOnPage(refused.map((ran) => errorOf(ran).replaceAll(folder, "/home/me/project")))
    } finally {
      await shell.end()
    }
  })

  it("commands that a rule refuses fail with the shown messages", async () => {
    const rules = onServer()
    const shell = await shellOver(rules)
    try {
      await shell.runs("backlog create --id design --title D\nbacklog create --id build --title B --depends-on design")
      await shell.runs("backlog create --id test --title T --depends-on build")
      await shell.runs("backlog claim --owner worker-1 --command-id 7b0f2a6e-claim")
      const refused = await shell.run(
        [
          "backlog claim --owner worker-2",
          "backlog claim build --owner worker-2",
          "backlog claim --owner worker-3 --command-id 7b0f2a6e-claim",
          "backlog complete design",
          "backlog create --title A --acceptance {a:1}",
          "backlog create --title A --body B --body-file b.txt",
          "backlog show -fix"
        ].join("\n")
      )
      expect(refused.map(({ code }) => code)).toEqual([3, 3, 5, 5, 2, 2, 2])
      await shell.runs("backlog reclaim design\nbacklog claim design --owner worker-2")
      expectOnPage([...refused, ...(await shell.run("backlog complete design --token 2"))].map(errorOf))
    } finally {
      await shell.end()
      await rules.remove()
    }
  })

  it("backlogs of another version or role are refused with the shown messages", async () => {
    const none = new URL(inject("postgresUrl"))
    none.pathname = `none_${randomBytes(4).toString("hex")}`
    const absent = await cli(["list", "--db", none.href])
    expect((await cli(["migrate", ...place.flags])).code).toBe(0)
    const list = () => cli(["list", ...place.flags])
    const table = `${place.schema}.migrations`
    await sql((client) => client.unsafe(`INSERT INTO ${table} (id, name, checksum) VALUES (9999, 'newer', '')`))
    const newer = await list()
    await sql((client) => client.unsafe(`DELETE FROM ${table} WHERE id = 9999`))
    await sql((client) => client.unsafe(`UPDATE ${table} SET checksum = 'x' || checksum WHERE id = 1`))
    const edited = await list()
    await sql((client) => client.unsafe(`DELETE FROM ${table}`))
    const missing = await list()
    for (const { code } of [absent, newer, edited, missing]) expect(code).toBe(6)
    expectOnPage([absent, newer, edited, missing].map(errorOf))
  })

  it("requests that a server refuses fail with the shown messages", async () => {
    const served = onServer()
    const responses: Array<string> = []
    const ask = (url: string, headers: Readonly<Record<string, string>>) =>
      new Promise<{ readonly status: number; readonly detail: string }>((resolve, reject) => {
        request(`${url}/stats`, { headers }, (response) => {
          let text = ""
          response.on("data", (chunk: Buffer) => (text += chunk.toString()))
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, detail: (JSON.parse(text) as { detail: string }).detail })
          )
        })
          .on("error", reject)
          .end()
      })
    const open = await startServe(served.flags)
    for (const headers of [
      { host: "backlog.example.com" },
      { origin: "https://tools.example.com" },
      { "x-forwarded-for": "192.0.2.1" }
    ] satisfies ReadonlyArray<Record<string, string>>) {
      const { detail, status } = await ask(open.url, headers)
      expect(status).toBe(403)
      responses.push(detail)
    }
    await open.end()
    const created = await cli(["--json", "token", "create", "--actor", "worker-1", "--role", "worker", ...served.flags])
    const { id, token } = (JSON.parse(created.stdout) as { data: { id: string; token: string } }).data
    const secured = await startServe(["--require-tokens", ...served.flags])
    responses.push((await ask(secured.url, {})).detail)
    const call = (words: string, env: Readonly<Record<string, string>>) =>
      cli([...words.split(" "), "--db", secured.url], { env: { BACKLOG_ACTOR: "", ...env } })
    const refused = [
      await call("list", {}),
      await call("list", { BACKLOG_TOKEN: "mbk_wrong" }),
      await call("create --title A", { BACKLOG_TOKEN: token }),
      await call("claim --owner worker-1", { BACKLOG_TOKEN: token, BACKLOG_ACTOR: "me" }),
      await call("claim --owner other", { BACKLOG_TOKEN: token }),
      await call("complete build", { BACKLOG_TOKEN: token })
    ]
    refused.push(await cli(["list", "--db", `${secured.url}/nope`], { env: { BACKLOG_TOKEN: token } }))
    await cli(["token", "revoke", id, ...served.flags])
    // The server may have checked the token shortly before it was revoked.
    let revoked = await ask(secured.url, { authorization: `Bearer ${token}` })
    while (revoked.status === 200) revoked = await ask(secured.url, { authorization: `Bearer ${token}` })
    responses.push(revoked.detail)
    await secured.end()
    await served.remove()
    for (const { code } of refused) expect(code).toBe(6)
    // The command line adds the server before the server's message, and the flag after it.
    const shown = (text: string): string =>
      text.replace(/^error: The server \S+ refuses this\. /, "").replace(" It comes from --actor or BACKLOG_ACTOR.", "")
    expectOnPage([...responses, ...refused.map((ran) => shown(errorOf(ran)))])
  })

  it("verify reports a changed card with the shown line", async () => {
    const changed = onServer()
    await cli(["create", "--id", "a", "--title", "A", ...changed.flags])
    await sql((client) => client.unsafe(`UPDATE ${changed.schema}.cards SET title = 'B'`))
    const { code, stdout } = await cli(["verify", ...changed.flags])
    await changed.remove()
    expect(code).toBe(5)
    expectOnPage(stdout.split("\n").filter((line) => line.startsWith("Found")))
  })
})

describe("the commands in docs/troubleshooting.md", () => {
  it("every command runs", async () => {
    const place = onServer()
    const shell = await shellOver(place)
    try {
      await shell.runs("backlog create --id design --title D\nbacklog create --id build --title B --depends-on design")
      await shell.runs("backlog anchor > anchors.txt")
      const blocks = textsOn(page, "sh").filter((text) => !text.includes("<<"))
      expect(blocks.length).toBeGreaterThan(5)
      for (const { code, line, stderr } of await shell.run(blocks.flatMap(linesIn).join("\n"))) {
        // The doctor may find that the tests connect as a superuser.
        expect(line === "backlog doctor" ? [0, 1] : [0], `${line}\n${stderr}`).toContain(code)
      }
    } finally {
      await shell.end()
      await place.remove()
    }
  })

  it("every statement runs", async () => {
    const statements = textsOn(page, "sql")
    expect(statements.length).toBe(2)
    for (const statement of statements) await sql((client) => client.unsafe(statement))
  })
})

describe("the names in docs/troubleshooting.md", () => {
  const text = read(page)
  const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading = ""]) => heading)
  const toAnchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-")

  it("the tables at the top list every symptom once, in order", () => {
    const contents = text.slice(0, text.indexOf("\n## "))
    const listed = [...contents.matchAll(/\| \[(.*)\]\(#(.*)\) \|/g)].map(([, title = "", to = ""]) => [title, to])
    expect(listed).toEqual(headings.map((heading) => [heading, toAnchor(heading)]))
  })

  it("every error tag exists in the source", () => {
    const tags = new Set([...text.matchAll(/`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`/g)].map(([, tag = ""]) => tag))
    expect(tags.size).toBeGreaterThan(8)
    for (const tag of tags) {
      const isKnown = sourceText.includes(`"${tag}"`) || (problemTags as ReadonlyArray<string>).includes(tag)
      expect([tag, isKnown || /^(?:SyncRep|CardReclaimed)$/.test(tag)]).toEqual([tag, true])
    }
  })

  it("every line of the doctor exists", () => {
    const named = [...text.matchAll(/lines? ((?:`\w+`(?:, | and )?)+)\s+of `backlog\s+doctor`/g)].flatMap(
      ([, names = ""]) => [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name)
    )
    expect(named.length).toBeGreaterThan(8)
    for (const name of named) expect(sourceText).toContain(`["${name}", `)
  })

  it("the table of claims has every reason of a claim that finds nothing", () => {
    const counts = { claimable: 1, claimed: 1, deferred: 1, waiting: 1, blocked: 1 }
    const facts = { counts, soonestExpiry: null, soonestRetry: null, nearest: null }
    const words = NothingReason.literals.flatMap((reason) => {
      const sentence = outlookReasonText({ reason, ...facts }, {}).replace(/^: /, "")
      return /^\d/.test(sentence) ? sentence.split(/, (?=\d)/) : [sentence]
    })
    const rows = [...text.matchAll(/^\| ([^|]+) \|/gm)].map(([, first = ""]) => first)
    for (const word of new Set(words.map((each) => each.replace(/^1 /, "")))) expect(rows).toContain(word)
  })

  it("the board shows the words of the table", () => {
    const rows = text.slice(text.indexOf("| the board shows")).split("\n\n")[0]?.split("\n").slice(2) ?? []
    expect(rows.length).toBe(5)
    for (const row of rows) expect(sourceText).toContain((row.split(" | ")[0] ?? "").slice(2).replace(/\d+ s$/, ""))
  })

  it("every check of verify is on the page", () => {
    const checks = /Check = Schema\.Literals\(\[([^]*?)\]\)/.exec(read("src/projections/Divergence.ts"))?.[1] ?? ""
    const names = [...checks.matchAll(/^ {2}"(\w+)"/gm)].map(([, name = ""]) => name)
    expect(names.length).toBeGreaterThan(10)
    const section = text.slice(text.indexOf("## verify reports a divergence"))
    for (const name of names.filter((each) => each !== "anchor")) expect(section).toContain(`\`${name}\``)
  })

  it("the blocks are of languages that the tests above run", () => {
    expect(new Set(blocksOn(page).map(({ language }) => language))).toEqual(new Set(["text", "sh", "sql", "indented"]))
  })
})
