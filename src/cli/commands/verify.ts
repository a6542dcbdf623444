import { Effect, Result, Schema, Stream } from "effect"
import { Command } from "effect/cli"
import {
  Anchor,
  AuditService,
  checkSignature,
  type Divergence,
  type FileLine,
  formatAnchor,
  InvalidInput,
  LogFileCheck,
  LogFileRefused,
  newestAnchor,
  parseAnchor,
  readAnchorFile,
  VerifyReport,
  type WrongLine
} from "../../index.ts"
import { type DocumentOutput, makeOutput } from "../CommandOutput.ts"
import { knownActor } from "../currentActor.ts"
import { defineCommand, runInBacklog, runWithoutBacklog, withHelp } from "../defineCommand.ts"
import { exitCodes } from "../exitCodes.ts"
import { optionalArgument, textFlag } from "../flags.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showProgress } from "../progress.ts"
import { readKeyFile, readLines } from "../readInput.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"

const fileArgument = optionalArgument("file", "An exported log, verified without a database. - reads standard input")

const anchorFlags = {
  anchor: textFlag("anchor", "An anchor, as `backlog anchor` prints it, that the log must match", "LINE"),
  anchorFile: textFlag("anchor-file", "A file of anchors. The log must match the newest one", "PATH"),
  publicKey: textFlag("public-key", "PEM file with the Ed25519 public key that must have signed the anchor", "PATH")
}

export const verifyCommand = withHelp(
  Command.make(
    "verify",
    { file: fileArgument, ...anchorFlags },
    Effect.fnUntraced(function* ({ file: name, ...flags }) {
      const anchor = yield* readAnchor(flags)
      return yield* name === undefined
        ? runInBacklog(verifyBacklog(anchor))
        : runWithoutBacklog(verifyFile(name, anchor))
    })
  ),
  {
    description:
      "Verifies the whole log and the read model in one snapshot, while commands continue: nothing is missing or altered, and with --anchor the log still matches the anchor. With FILE it verifies an exported log without a database. If something diverges, it prints what and exits with code 5.",
    summary: "Verify that nothing was altered",
    examples: [
      { command: "backlog verify" },
      { command: "backlog verify --anchor-file anchor.txt --public-key anchor.pub" },
      { command: "backlog verify backlog.jsonl --anchor-file anchor.txt", description: "An exported log" }
    ]
  }
)

/** Reads the anchor that the flags name, and checks its signature if they name a key. */
const readAnchor = Effect.fnUntraced(function* (flags: {
  readonly anchor: string | undefined
  readonly anchorFile: string | undefined
  readonly publicKey: string | undefined
}) {
  const { anchorFile, publicKey } = flags
  if (flags.anchor !== undefined && anchorFile !== undefined) {
    return yield* new InvalidInput({ problem: "give --anchor or --anchor-file, not both" })
  }
  if (flags.anchor === undefined && anchorFile === undefined) {
    return publicKey === undefined
      ? undefined
      : yield* new InvalidInput({ problem: "--public-key requires --anchor or --anchor-file" })
  }
  const anchor =
    anchorFile === undefined ? yield* parseAnchorFlag(flags.anchor ?? "") : yield* readNewestAnchor(anchorFile)
  if (publicKey !== undefined) {
    const key = yield* readKeyFile("public-key", publicKey, "public")
    yield* Effect.fromResult(checkSignature(anchor, key))
  } else if (anchor.signature !== null) {
    const { stderr } = yield* ProcessIO
    stderr.write("note: the anchor is signed, but its signature was not checked: use --public-key\n")
  }
  return anchor
})

const parseAnchorFlag = (line: string) =>
  Effect.fromResult(
    Result.mapError(
      parseAnchor(line),
      ({ problem }) => new InvalidInput({ problem: `the anchor is not valid: ${problem}` })
    )
  )

/** Reads the newest anchor of a file. Every line must be an anchor, except for an incomplete last one. */
const readNewestAnchor = Effect.fnUntraced(function* (path: string) {
  const { anchors, isTruncated } = yield* Effect.mapError(
    readAnchorFile(path),
    ({ problem }) => new InvalidInput({ problem: `the file of --anchor-file cannot be used: ${problem}` })
  )
  if (isTruncated) {
    const { stderr } = yield* ProcessIO
    stderr.write("note: the last line of the anchor file is incomplete and was ignored\n")
  }
  return newestAnchor(anchors) ?? (yield* new InvalidInput({ problem: "the file of --anchor-file contains no anchor" }))
})

const encodeReport = Schema.encodeSync(VerifyReport)

const makeReportOutput = (report: VerifyReport): DocumentOutput => ({
  ...makeOutput(
    () => encodeReport(report),
    (style) => describeVerification(report, style)
  ),
  exitCode: exitCodeOf(report)
})

const verifyBacklog = Effect.fnUntraced(function* (anchor: Anchor | undefined) {
  const io = yield* ProcessIO
  const audit = yield* AuditService
  const onProgress = showProgress(io, "steps")
  const actor = yield* knownActor
  return makeReportOutput(yield* clearProgressAfter(io)(audit.verify({ actor, anchor, onProgress })))
})

const verifyFile = Effect.fnUntraced(function* (name: string, anchor: Anchor | undefined) {
  const io = yield* ProcessIO
  const lines = yield* readLines(name)
  return makeReportOutput(yield* clearProgressAfter(io)(checkFile(name, lines, anchor, showProgress(io, "events"))))
})

const checkFile = Effect.fnUntraced(function* <E, R>(
  name: string,
  lines: Stream.Stream<FileLine, E, R>,
  anchor: Anchor | undefined,
  onProgress: (done: number, total: number) => Effect.Effect<void>
) {
  const check = new LogFileCheck(anchor)
  const wrong = ({ line, problem }: WrongLine): InvalidInput | LogFileRefused =>
    check.header === undefined
      ? new InvalidInput({ problem: `${JSON.stringify(name)} is not an exported log: line ${line}: ${problem}` })
      : new LogFileRefused({ line, problem })
  let done = -1
  yield* Stream.runForEachArray(
    lines,
    Effect.fnUntraced(function* (chunk) {
      for (const line of chunk) {
        const pushed = check.push(line)
        if (Result.isFailure(pushed)) return yield* wrong(pushed.failure)
      }
      done += chunk.length
      yield* onProgress(done, check.header?.position ?? done)
    })
  )
  return yield* Effect.fromResult(Result.mapError(check.end(), wrong))
})

/** Returns the exit code for a verification. */
export const exitCodeOf = (report: VerifyReport): number =>
  report.divergenceCount === 0 ? exitCodes.done : exitCodes.refused

/** Describes what a verification checked and found. */
export const describeVerification = (report: VerifyReport, style: TextStyle): string => {
  const { anchoredPosition, divergenceCount, divergences, erasedParts } = report
  const anchorHolds = anchoredPosition !== null && divergences.every(({ check }) => check !== "anchor")
  return [
    `Verified the log up to position ${report.position}, chain hash ${report.chainHash}.`,
    `Checked ${formatCount(report.events, "event")}, ${formatCount(report.cards, "card")}, ${
      report.dependencies === 1 ? "1 dependency" : `${report.dependencies} dependencies`
    }${erasedParts === 0 ? "" : `, ${formatCount(erasedParts, "erased part")}`}.`,
    ...(anchorHolds ? [`The log matches the anchor at position ${anchoredPosition}.`] : []),
    ...(divergenceCount === 0
      ? [style.green("No divergences found.")]
      : [
          style.red(`Found ${formatCount(divergenceCount, "divergence")}, the first of each card and of the log:`),
          ...divergences.map((divergence) => `  ${describeDivergence(divergence)}`),
          ...(divergenceCount > divergences.length ? [`  and ${divergenceCount - divergences.length} more`] : [])
        ])
  ].join("\n")
}

const describeDivergence = ({ cardId, check, expected, field, found, position }: Divergence): string => {
  const where = [
    cardId === null ? "" : `card ${escapeLine(cardId)}`,
    position === null ? "" : `position ${position}`,
    field === null ? check : `${check} of ${escapeLine(field)}`
  ]
  return `${where.filter((part) => part !== "").join(", ")}: expected ${escapeLine(expected)}, found ${escapeLine(found)}`
}

const formatCount = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

export const anchorCommand = defineCommand(
  "anchor",
  {
    description:
      "Prints one line that identifies the current log. Keep it where users with write access to the database cannot change it: `verify --anchor` later proves that the log up to this position is unchanged.",
    summary: "Print an anchor of the log",
    examples: [
      { command: "backlog anchor" },
      { command: "backlog anchor --key anchor.key > anchor.txt", description: "Signed with an Ed25519 key" }
    ]
  },
  { key: textFlag("key", "PEM file with an Ed25519 private key that signs the anchor", "PATH") },
  Effect.fnUntraced(function* ({ key }) {
    const privateKey = key === undefined ? undefined : yield* readKeyFile("key", key, "private")
    const actor = yield* knownActor
    return Effect.gen(function* () {
      const current = yield* (yield* AuditService).anchor({ actor, privateKey })
      const line = formatAnchor(current)
      return makeOutput(
        () => ({ ...encodeAnchor(current), line }),
        () => line
      )
    })
  })
)

const encodeAnchor = Schema.encodeSync(Anchor)
