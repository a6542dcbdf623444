import { Effect, Layer } from "effect"
import { join } from "node:path"
import { expect, inject, it } from "vitest"
import { parse } from "yaml"
import { AuditService, layerPostgres } from "../../src/index.ts"
import { cli, onServer, temporaryDirectory } from "../cli/support.ts"
import { startServe } from "../http/support/startServe.ts"
import { read, textsOn } from "./support/pages.ts"

const page = "docs/operations.md"

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
}

const [scraping = "", alerting = ""] = textsOn(page, "yaml")
const rules = (
  parse(alerting) as { readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }> }
).groups.flatMap((group) => group.rules)

/** The metrics of an expression, with their selectors. Functions are followed by a parenthesis. */
const selectorsIn = (expr: string): ReadonlyArray<{ readonly name: string; readonly labels: ReadonlyArray<string> }> =>
  [...expr.matchAll(/\b((?:backlog|process)_\w+)(?:\{([^}]*)\})?/g)].map(([, name = "", labels = ""]) => ({
    name,
    labels: [...labels.matchAll(/(\w+)(?:=~?|!=)"/g)].map(([, label = ""]) => label)
  }))

/** Series of a server with work, a consumer and anchors, as `/metrics` exports them. */
const scrape = async (): Promise<ReadonlyMap<string, string>> => {
  const place = onServer()
  const file = join(await temporaryDirectory(), "anchors.txt")
  await cli(["migrate", ...place.flags])
  const server = await startServe(["--anchor-file", file, ...place.flags])
  const post = (path: string, body: object) =>
    fetch(`${server.url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    })
  await post("create", { id: "a", title: "A", actor: "me" })
  await post("claim", { owner: "me", actor: "me" })
  await fetch(`${server.url}/list`)
  await Effect.runPromise(
    Effect.flatMap(AuditService, (audit) => audit.consume({ consumer: "mailer", handler: () => Effect.void })).pipe(
      Effect.provide(Layer.fresh(layerPostgres({ url: inject("postgresUrl"), schema: place.schema, poolSize: 2 })))
    )
  )
  const text = await (await fetch(`${server.url}/metrics`)).text()
  await server.end()
  await place.remove()
  const series = new Map<string, string>()
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)(\{[^}]*\})? /gm)) {
    series.set(name, `${series.get(name) ?? ""}${labels}`)
  }
  return series
}

it("every recommended alert names metrics and labels that a server exports", async () => {
  const series = await scrape()
  expect(rules.length).toBeGreaterThan(10)
  for (const { alert, expr } of rules) {
    for (const { labels, name } of selectorsIn(expr)) {
      expect([alert, name, series.has(name)]).toEqual([alert, name, true])
      for (const label of labels)
        expect([alert, series.get(name)]).toEqual([alert, expect.stringContaining(`${label}="`)])
    }
  }
  for (const [name, value] of [
    ["backlog_commands_total", 'command="Claim"'],
    ["backlog_commands_total", 'outcome="done"'],
    ["backlog_cards", 'status="claimed"']
  ] as const) {
    expect([name, series.get(name)]).toEqual([name, expect.stringContaining(value)])
  }
})

it("the table lists every alert with its metrics and its time", () => {
  const rows = read(page)
    .split("\n")
    .filter((line) => line.startsWith("| `Backlog"))
    .map((line) => line.split(" | "))
  expect(rows.flatMap(([names = ""]) => names.match(/Backlog\w+/g) ?? [])).toEqual(rules.map(({ alert }) => alert))
  const units: Readonly<Record<string, string>> = { m: " min", h: " h" }
  for (const [names = "", expression = "", time = ""] of rows) {
    const of = rules.filter(({ alert }) => names.includes(`\`${alert}\``))
    for (const { name } of of.flatMap(({ expr }) => selectorsIn(expr))) expect(expression).toContain(`\`${name}`)
    for (const rule of of) {
      // A rule over a range waits as long as its range.
      const range = rule.for ?? (rule.alert === "BacklogWorkIdle" ? /\[(\w+)\]/.exec(rule.expr)?.[1] : undefined)
      expect([rule.alert, time]).toEqual([rule.alert, range?.replace(/[mh]$/, (unit) => units[unit] ?? "") ?? "none"])
    }
  }
})

it("the parentheses and quotes of every expression match", () => {
  for (const { alert, expr, labels } of rules) {
    const count = (character: string) => expr.split(character).length - 1
    expect([alert, count("("), count("["), count("{"), count('"') % 2]).toEqual([
      alert,
      count(")"),
      count("]"),
      count("}"),
      0
    ])
    expect(labels.severity).toMatch(/^(?:critical|warning)$/)
  }
})

it("the scrape configuration names the job of the rules", () => {
  const { scrape_configs: jobs } = parse(scraping) as {
    readonly scrape_configs: ReadonlyArray<{ readonly job_name: string }>
  }
  expect(jobs.map((job) => job.job_name)).toEqual(["backlog"])
  expect(rules[0]?.expr).toContain('job="backlog"')
})
