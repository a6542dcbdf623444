import { Effect } from "effect"
import { expect } from "vitest"
import { definedMetrics } from "../../scripts/docs/metrics.ts"
import { startServer } from "../http/support/startServer.ts"
import { onServer } from "../support/databases.ts"

onServer("docs/metrics.md", (test) => {
  test(
    "lists every metric that a server renders, with its type and labels",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      yield* post("/create", { id: "a", title: "A", actor: "me" })
      yield* post("/claim", { owner: "w", actor: "me" })
      yield* ask("/get?id=a")
      yield* ask("/get?id=a", { headers: { origin: "https://elsewhere.example.com" } })
      const { text } = yield* ask("/metrics")
      const defined = new Map(definedMetrics().map((metric) => [metric.name, metric]))
      const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
      expect(types.length).toBeGreaterThan(12)
      for (const [, name = "", type] of types) expect([name, defined.get(name)?.type]).toEqual([name, type])
      const found = new Map<string, Set<string>>()
      for (const [, name = "", labels = ""] of text.matchAll(
        /^(\w+?)(?:_bucket|_sum|_count|_min|_max)?(?:\{(.*)\})? \S+$/gm
      )) {
        const names = found.get(name) ?? new Set<string>()
        for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) if (label !== "le") names.add(label)
        found.set(name, names)
      }
      for (const [name, labels] of found) {
        expect([name, [...labels].toSorted()]).toEqual([name, [...(defined.get(name)?.labels ?? [])].toSorted()])
      }
    })
  )
})
