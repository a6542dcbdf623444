import { Effect, Option, Result, Schema, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import {
  type Anchor,
  AuditService,
  checkSignature,
  type FileLine,
  InvalidInput,
  LogFileCheck,
  LogFileRefused,
  newestAnchor,
  parseAnchor,
  readAnchorFile,
  VerifyReport,
  type WrongLine
} from "../../index.ts"
import { describeVerification, exitCodeOf } from "../describeVerification.ts"
import { linesOfFile } from "../fileLines.ts"
import { text } from "../flags.ts"
import { Host } from "../Host.ts"
import { keyOfFile } from "../keyFile.ts"
import { progressBar, withoutProgress } from "../progressBar.ts"
import { type Reply, reply } from "../Reply.ts"
import { answerAlone, answerInBacklog, documented } from "../verb.ts"

const file = Argument.String("file").pipe(
  Argument.withDescription("An exported log, verified without a database; - reads standard input"),
  Argument.optional,
  Argument.map(Option.getOrUndefined)
)

const anchorFlags = {
  anchor: text("anchor", "A line of anchor that the log must still hold to", "LINE"),
  anchorFile: text("anchor-file", "A file of anchors, of which the newest is checked", "PATH"),
  publicKey: text("public-key", "A file with an Ed25519 public key in PEM, which must have signed it", "PATH")
}

export const verify = documented(
  Command.make(
    "verify",
    { file, ...anchorFlags },
    Effect.fnUntraced(function* ({ file: name, ...flags }) {
      const anchor = yield* anchorOf(flags)
      return yield* name === undefined ? answerInBacklog(verifyBacklog(anchor)) : answerAlone(verifyFile(name, anchor))
    })
  ),
  {
    about:
      "Verifies the whole log and what claims and lists read, in one snapshot while commands go on: nothing missing, nothing altered, and with --anchor still the log that was anchored. With a FILE, verifies a log that export wrote, without a database. Ends with 5 when something is wrong, and says what.",
    brief: "Prove that nothing was altered",
    examples: [
      { command: "backlog verify" },
      { command: "backlog verify --anchor-file anchor.txt --public-key anchor.pub" },
      { command: "backlog verify backlog.jsonl --anchor-file anchor.txt", description: "An exported log" }
    ]
  }
)

/** The anchor that the flags give, its signature checked where they have a key. */
const anchorOf = Effect.fnUntraced(function* (flags: {
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
      : yield* new InvalidInput({ problem: "--public-key needs an anchor: give --anchor or --anchor-file too" })
  }
  const anchor = anchorFile === undefined ? yield* anchorOfLine(flags.anchor ?? "") : yield* newestOfFile(anchorFile)
  if (publicKey !== undefined) {
    const key = yield* keyOfFile("public-key", publicKey, "public")
    yield* Effect.fromResult(checkSignature(anchor, key))
  } else if (anchor.signature !== null) {
    const { stderr } = yield* Host
    stderr.write("note: the anchor is signed, and its signature was not checked: give --public-key\n")
  }
  return anchor
})

const anchorOfLine = (line: string) =>
  Effect.fromResult(
    Result.mapError(
      parseAnchor(line),
      ({ problem }) => new InvalidInput({ problem: `the anchor is not valid: ${problem}` })
    )
  )

/** The newest anchor of a file, all of whose lines must be anchors. */
const newestOfFile = Effect.fnUntraced(function* (path: string) {
  const { anchors, isTruncated } = yield* Effect.mapError(
    readAnchorFile(path),
    ({ problem }) => new InvalidInput({ problem: `the file of --anchor-file cannot be used: ${problem}` })
  )
  if (isTruncated) {
    const { stderr } = yield* Host
    stderr.write("note: the last line of the anchor file is incomplete and was ignored: a write was cut short\n")
  }
  return newestAnchor(anchors) ?? (yield* new InvalidInput({ problem: "the file of --anchor-file has no anchor" }))
})

const encode = Schema.encodeSync(VerifyReport)

const reportReply = (report: VerifyReport): Reply => ({
  ...reply(
    () => encode(report),
    (page) => describeVerification(report, page)
  ),
  exitCode: exitCodeOf(report)
})

const verifyBacklog = Effect.fnUntraced(function* (anchor: Anchor | undefined) {
  const host = yield* Host
  const audit = yield* AuditService
  const onProgress = progressBar(host, "steps")
  return reportReply(yield* withoutProgress(host)(audit.verify({ anchor, onProgress })))
})

const verifyFile = Effect.fnUntraced(function* (name: string, anchor: Anchor | undefined) {
  const host = yield* Host
  const lines = yield* linesOfFile(name)
  return reportReply(yield* withoutProgress(host)(checkFile(name, lines, anchor, progressBar(host, "events"))))
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
      ? new InvalidInput({ problem: `${JSON.stringify(name)} is no exported log: line ${line}: ${problem}` })
      : new LogFileRefused({ line, problem })
  let done = -1
  yield* Stream.runForEachArray(
    lines,
    Effect.fnUntraced(function* (page) {
      for (const line of page) {
        const pushed = check.push(line)
        if (Result.isFailure(pushed)) return yield* wrong(pushed.failure)
      }
      done += page.length
      yield* onProgress(done, check.header?.position ?? done)
    })
  )
  return yield* Effect.fromResult(Result.mapError(check.end(), wrong))
})
