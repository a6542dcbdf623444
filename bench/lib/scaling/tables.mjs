/** The measurements of `scaling.mjs` as Markdown tables, by their names in docs/scaling.md. */
import { markdownTable, number } from "../table.mjs"

const right = (name, text) => [name, text, "right"]
const times = (value) => `${number(value, 2)} ×`
const milliseconds = (value) => (value === null ? "" : number(value, 2))

const machineOf = ({ about, repetitions }) =>
  [...about, `Medians of ${repetitions}, measured alternately.`].map((line) => `- ${line}`).join("\n")

const processesOf = ({ rows }) => {
  const own = rows.filter(({ delayMs }) => delayMs === 0)
  const oneOf = ({ workers }) => own.find((row) => row.processes === 1 && row.workers === workers)
  const toOne = (row) => (row.processes === 1 ? "" : times(row.perSecond / oneOf(row).perSecond))
  return markdownTable(
    [
      right("processes", (row) => number(row.processes)),
      right("workers in total", (row) => number(row.workers)),
      right("cards in a call", (row) => number(row.commandsEach)),
      right("cards per second", (row) => number(row.perSecond)),
      right("to one process", toOne),
      ...(own[0].previousPerSecond === undefined
        ? []
        : [right("to the previous version", (row) => times(row.perSecond / row.previousPerSecond))]),
      right("claim + complete, p50 ms", (row) => milliseconds(row.p50Ms)),
      right("calls per transaction", (row) => number(row.callsPerBatch))
    ],
    own
  )
}

const batchesOf = ({ batches, costs: { commitMs, fixedMs, heldShare, perCommandMs } }) =>
  [
    markdownTable(
      [
        right("commands at once", ({ size }) => number(size)),
        right("transactions", ({ batchesPerBurst }) => number(batchesPerBurst)),
        right("ms", (one) => milliseconds(one.milliseconds)),
        right("fitted ms", ({ fittedMs }) => milliseconds(fittedMs)),
        right("commands per second", (one) => number((one.size / one.milliseconds) * 1000))
      ],
      batches
    ),
    `Fitted: ${fixedMs} ms per transaction, ${perCommandMs} ms per command, and ${commitMs} ms for the commit. The head row is ` +
      `held during ${Math.round(heldShare * 100)} % of the first two.`
  ].join("\n\n")

const checkedOf = ({ rows }) =>
  markdownTable(
    [
      right("commit latency, ms", ({ commitMs }) => milliseconds(commitMs)),
      right("processes", ({ processes }) => number(processes)),
      right("workers in total", ({ workers }) => number(workers)),
      right("commands in a call", ({ commandsEach }) => number(commandsEach)),
      right("measured", ({ perSecond }) => number(perSecond * 2)),
      ...(rows[0].previousPerSecond === undefined
        ? []
        : [right("to the previous version", (row) => times(row.perSecond / row.previousPerSecond))]),
      right("simulated", ({ simulatedPerSecond }) => number(simulatedPerSecond * 2)),
      right(
        "simulated to measured",
        ({ isFitted, perSecond, simulatedPerSecond }) =>
          `${times(simulatedPerSecond / perSecond)}${isFitted ? ", fitted" : ""}`
      )
    ],
    rows
  )

const readsOf = (reads) => {
  const idle = ({ delayMs }) => reads.find((row) => row.delayMs === delayMs && row.processes === 0)
  return markdownTable(
    [
      right("commit latency, ms", ({ commitMs }) => milliseconds(commitMs)),
      right("processes that write", ({ processes }) => number(processes)),
      right("workers in total", ({ workers }) => number(workers)),
      right("read of a card, p50 ms", ({ p50Ms }) => milliseconds(p50Ms)),
      right("p99 ms", ({ p99Ms }) => milliseconds(p99Ms)),
      right("p99, more than without writers, ms", (row) =>
        row.processes === 0 ? "" : milliseconds(row.p99Ms - idle(row).p99Ms)
      ),
      ...(reads[0].previousP99Ms === undefined
        ? []
        : [right("p99 of the previous version, ms", ({ previousP99Ms }) => milliseconds(previousP99Ms))])
    ],
    reads
  )
}

const headRowOf = ({ simulated }) => {
  const keyOf = ({ commandsEach, processes, workers }) => [workers, processes, commandsEach].join()
  const rows = [...new Map(simulated.map((row) => [keyOf(row), row])).values()]
  const at = (row, commitMs) =>
    simulated.find((one) => keyOf(one) === keyOf(row) && one.commitMs === commitMs).commandsPerSecond
  const latencies = [...new Set(simulated.map(({ commitMs }) => commitMs))]
  return markdownTable(
    [
      right("workers in total", ({ workers }) => number(workers)),
      right("commands in a call", ({ commandsEach }) => number(commandsEach)),
      right("processes", ({ processes }) => number(processes)),
      ...latencies.map((commitMs) => right(`${commitMs} ms`, (row) => number(at(row, commitMs))))
    ],
    rows
  )
}

/** One column for each number of workers, with a rate and its ratio to the first row. */
const rateColumns = (rows, rateOf) =>
  [...new Set(rows.flatMap((row) => rateOf(row).map(({ workers }) => workers)))].flatMap((workers) => {
    const rate = (row) => rateOf(row).find((one) => one.workers === workers)?.perSecond
    const first = rate(rows[0])
    const shown = (row, text) => (rate(row) === undefined ? "" : text(rate(row)))
    return [
      right(`cards per second, ${workers} worker${workers === 1 ? "" : "s"}`, (row) => shown(row, number)),
      right("to the first", (row) => shown(row, (value) => times(value / first)))
    ]
  })

const poolerOf = (ways) =>
  ways === null
    ? "The measurement found no PgBouncer."
    : markdownTable(
        [
          ["way to the server", ({ way }) => way],
          ["prepared statements", ({ prepare }) => (prepare ? "by name" : "`prepare: false`")],
          ["works", ({ failure }) => (failure === null ? "yes" : `no: ${failure}`)],
          ["`backlog doctor`", ({ doctor }) => doctor.map(({ check, level }) => `${check}: ${level}`).join(", ")],
          right("notified of a commit after, ms", ({ heardMs }) => milliseconds(heardMs)),
          ...rateColumns(ways, ({ rates }) => rates)
        ],
        ways
      )

const replicaOf = ({ primaryLost, rates, replicaLost, waitEnded }) => {
  const same = (row, mode, processes) =>
    rates.find((one) => one.mode === mode && one.processes === processes && one.workers === row.workers)
  const without = (row) => same(row, rates[0].mode, row.processes)
  const inOne = (row) => same(row, row.mode, 1)
  return [
    markdownTable(
      [
        ["replica", ({ mode }) => mode],
        right("commit latency, ms", ({ commitMs }) => milliseconds(commitMs)),
        right("processes", ({ processes }) => number(processes)),
        right("workers in total", ({ workers }) => number(workers)),
        right("cards per second", ({ perSecond }) => number(perSecond)),
        right("to no replica", (row) => times(row.perSecond / without(row).perSecond)),
        right("to one process", (row) => (row.processes === 1 ? "" : times(row.perSecond / inOne(row).perSecond)))
      ],
      rates
    ),
    [
      `- **The replica was lost.** Within ${number(replicaLost.watchedMs / 1000)} s, ${replicaLost.answeredMeanwhile} of the ` +
        `commands of 10 workers succeeded, and reads ${replicaLost.couldRead ? "succeeded" : "did not succeed"}. ` +
        `Work continued ${number(replicaLost.goesOnAfterMs)} ms after \`synchronous_standby_names\` was emptied.`,
      `- **A wait was canceled.** \`statement_timeout\`, set to 0.5 s, ${waitEnded.timedOut ? "ended" : "did not end"} such a ` +
        `wait within ${number(waitEnded.watchedMs / 1000)} s. \`pg_cancel_backend\` ended it, and the command was ` +
        `${waitEnded.outcome === "Success" ? "reported as done, although no replica had it" : "not reported as done"}.`,
      `- **The primary was killed and the replica promoted.** Of ${number(primaryLost.answered)} completions that had been ` +
        `reported, ${primaryLost.missing} were missing. The log and the read model were consistent.`
    ].join("\n")
  ].join("\n\n")
}

const backlogsOf = (rows) => {
  const oneWith = ({ delayMs, workers }) =>
    rows.find((row) => row.schemas === 1 && row.workers === workers && row.delayMs === delayMs)
  return markdownTable(
    [
      right("commit longer by, ms", ({ delayMs }) => number(delayMs)),
      right("backlogs, a process each", ({ schemas }) => number(schemas)),
      right("workers in total", ({ workers }) => number(workers)),
      right("cards per second in total", ({ perSecond }) => number(perSecond)),
      right("one backlog with as many workers", (row) => number(oneWith(row).perSecond)),
      right("p50 ms", ({ p50Ms }) => milliseconds(p50Ms))
    ],
    rows.filter(({ isCompared }) => !isCompared)
  )
}

/** The tables for which results exist. */
export const scalingTables = (results) => {
  const { backlogs, oneServer, pooler, reads, replica } = results
  return Object.fromEntries(
    [
      ["machine", results.about && machineOf(results)],
      ["processes", oneServer && processesOf(oneServer)],
      ["batches", oneServer && batchesOf(oneServer)],
      ["checked", oneServer && checkedOf(oneServer)],
      ["reads", reads && readsOf(reads)],
      ["head row", oneServer && headRowOf(oneServer)],
      ["pooler", pooler !== undefined && poolerOf(pooler)],
      ["replica", replica && replicaOf(replica)],
      ["backlogs", backlogs && backlogsOf(backlogs)]
    ].filter(([, text]) => text)
  )
}
