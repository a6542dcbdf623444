import { capitalize, code, escapeText, type Page, pageHead, paragraphs, sentence, table } from "./markdown.ts"
import { constantsOf, labelled, parseFile, sourcePaths, unlabelled, visit } from "./sourceDocs.ts"

/** A metric, as the code defines it. */
export interface DefinedMetric {
  readonly name: string
  readonly type: string
  readonly unit: string
  readonly labels: ReadonlyArray<string>
  readonly meaning: string
  readonly use: string
  readonly boundaries: string | undefined
  readonly where: string
}

/** Where the metrics of a file appear. */
const places: Readonly<Record<string, string>> = {
  "src/services/commands/commandMetrics.ts": "every program",
  "src/events/readMetrics.ts": "every program",
  "src/http/operations.ts": "`serve`",
  "src/http/access/guard.ts": "`serve`",
  "src/services/keepAnchors.ts": "`keepAnchors`, `serve --anchor-file`"
}

/** Every metric that `src` defines, by the calls that define it. */
export const definedMetrics = (): ReadonlyArray<DefinedMetric> => {
  const unplaced = sourcePaths().filter(
    (path) => /\bMetric\.(counter|gauge|histogram)\(/.test(parseFile(path).text) && places[path] === undefined
  )
  if (unplaced.length > 0) {
    throw new Error(`scripts/docs/metrics.ts does not say where the metrics of ${unplaced.join(", ")} appear.`)
  }
  return Object.keys(places).flatMap(metricsIn)
}

const metricsIn = (path: string): ReadonlyArray<DefinedMetric> => {
  const file = parseFile(path)
  const constants = constantsOf(path)
  const found: Array<DefinedMetric> = []
  visit(file, {
    CallExpression: (node) => {
      const callee = file.text.slice(node.callee.start, node.callee.end)
      const type = /^(?:Metric\.)?(counter|gauge|histogram)$/.exec(callee)?.[1]
      const [first, second, third] = node.arguments
      if (type === undefined || first?.type !== "Literal" || typeof first.value !== "string") return
      const name = first.value
      const constant = constants.find(({ init }) => init.start <= node.start && node.end <= init.end)
      const doc = constant?.doc
      const use = doc === undefined ? undefined : labelled(doc, "Use")
      const where = places[path] ?? ""
      if (doc === undefined || use === undefined)
        throw new Error(`The metric ${name} in ${path} has no docstring with "Use: …".`)
      const text = file.text.slice(node.start, node.end)
      const description =
        second?.type === "Literal" ? String(second.value) : /description:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1]
      if (description === undefined) throw new Error(`The metric ${name} in ${path} has no description.`)
      found.push({
        name,
        type,
        unit:
          third?.type === "Literal"
            ? String(third.value)
            : (/unit: "(\w+)"/.exec(text)?.[1] ?? (name.endsWith("_seconds") ? "seconds" : "")),
        labels: [...(labelled(doc, "Labels") ?? "").matchAll(/`(\w+)`/g)].map(([, label = ""]) => label),
        meaning: [description, ...unlabelled(doc, "Labels", "Use")].map(sentence).join(" "),
        use,
        boundaries: /boundaries: \[([^\]]*)\]/.exec(text)?.[1],
        where
      })
    }
  })
  return found
}

/** docs/metrics.md: every metric. */
export const metricsPage = (): Page => {
  const metrics = definedMetrics()
  const histograms = metrics.filter(({ boundaries }) => boundaries !== undefined)
  return {
    page: "docs/metrics.md",
    text: paragraphs(
      pageHead(
        "Metrics",
        "This page lists every metric. `/metrics` of `backlog serve` renders them for Prometheus, and [operations.md](operations.md#metrics) explains how to read and export them. Metrics of every program are Effect `Metric`s, in the registry of the program that uses the library."
      ).trimEnd(),
      table(
        ["metric", "type", "labels", "unit", "meaning", "where"],
        metrics.map(({ labels, meaning, name, type, unit, where }) => [
          code(name),
          type,
          labels.map(code).join(", "),
          unit,
          escapeText(meaning),
          where
        ])
      ),
      "## Recommended use",
      table(
        ["metric", "use"],
        metrics.map(({ name, use }) => [code(name), capitalize(escapeText(use))])
      ),
      "## Labels",
      table(
        ["label", "values"],
        [
          ["`command`", "The command: `Create`, `Claim`, `CompleteMany` …"],
          ["`read`", "The method of the service: `get`, `list`, `events` …"],
          [
            "`outcome`",
            "`done`, `nothing` (nothing to claim, or no such card or checkpoint), `interrupted`, `Defect`, or the tag of the [error](errors.md)"
          ],
          ["`status`", "The status of the cards: `ready`, `claimed`, `blocked`, `done`"],
          ["`consumer`", "The name of the consumer. An access token in it is redacted"],
          ["`state`", "The state of the connections in `pg_stat_activity`"],
          ["`reason`", "The tag of the [problem](errors.md) with which the request was refused"]
        ]
      ),
      "## Boundaries of histograms",
      table(
        ["metric", "boundaries"],
        histograms.map(({ boundaries = "", name }) => [code(name), boundaries.replaceAll(/\s+/g, " ").trim()])
      )
    )
  }
}
