import { useState } from "preact/hooks"
import { apiAddress } from "../api/request.ts"
import { now } from "../api/serverClock.ts"
import { refusalOf } from "../api/session.ts"
import { formatCommandLine } from "../commands/shellWords.ts"
import { FailureNotice } from "../components/Condition.tsx"
import { CopyButton } from "../components/CopyButton.tsx"
import { formatDuration } from "../components/durations.ts"
import { formatNumber } from "../components/Times.tsx"
import { type AnchorText, formatAnchor, readAnchors } from "./anchorLines.ts"
import { Report } from "./Report.tsx"
import { cancelVerification, startVerification, verification } from "./verification.ts"

/** Maximum size of an anchor file that the page reads, in bytes: more than 50,000 signed anchors. */
const maxFileBytes = 16 * 1024 * 1024

/** Verifies the log, if the reader wants with an anchor that was kept elsewhere. Shows the progress and the result. */
export const VerifyForm = () => {
  const [text, setText] = useState("")
  const [fileProblem, setFileProblem] = useState<string>()
  const given: AnchorText | undefined = text.trim() === "" ? undefined : readAnchors(text)
  const anchor = given?._tag === "Anchor" ? given.anchor : undefined
  const problem = fileProblem ?? (given?._tag === "Refused" ? given.problem : undefined)
  const run = verification.value
  const refusal = refusalOf("verify")
  const isRunning = run._tag === "Running"
  const isDisabled = refusal !== undefined || isRunning || problem !== undefined
  const change = (value: string): void => {
    setText(value)
    setFileProblem(undefined)
  }
  const load = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return
    if (file.size > maxFileBytes) {
      setFileProblem(`The file ${file.name} is larger than 16 MiB. Paste its last line.`)
      return
    }
    try {
      change(await file.text())
    } catch {
      setFileProblem(`The browser cannot read the file ${file.name}.`)
    }
  }
  return (
    <section class="trust-part">
      <h2>Verify</h2>
      <p class="hint">
        Reads the whole log and checks that no event is missing or changed, and that the cards are what the events say.
        Work continues meanwhile. Only an anchor that was kept outside of the database shows that the log was not
        replaced.
      </p>
      <form
        class="verify-form"
        onSubmit={(event) => {
          event.preventDefault()
          if (!isDisabled) void startVerification(anchor)
        }}
      >
        <div class="field">
          <label>
            Anchor to compare with (optional)
            <textarea
              id="verify-anchor"
              class="code"
              rows={2}
              spellcheck={false}
              autocomplete="off"
              placeholder="mosaic-backlog-anchor 1 …"
              value={text}
              aria-invalid={problem !== undefined}
              aria-describedby="verify-anchor-hint"
              onInput={({ currentTarget }) => change(currentTarget.value)}
            />
          </label>
          <p
            id="verify-anchor-hint"
            class={problem === undefined ? "hint" : "bad"}
            role={problem === undefined ? undefined : "alert"}
          >
            {problem ?? describeAnchor(given)}
          </p>
        </div>
        <div class="verify-buttons">
          <button
            type="submit"
            class="primary verify-start"
            aria-disabled={isDisabled}
            title={refusal ?? (problem === undefined ? "Verify (e)" : "The anchor cannot be read")}
          >
            {anchor === undefined ? "Verify" : "Verify with the anchor"}
          </button>
          <label class="button file-button">
            Load an anchor file
            <input
              type="file"
              class="visually-hidden"
              accept=".txt,text/plain"
              onChange={({ currentTarget }) => {
                void load(currentTarget.files?.[0])
                // The same file can be chosen again.
                currentTarget.value = ""
              }}
            />
          </label>
          {text !== "" && (
            <button type="button" onClick={() => change("")}>
              Remove the anchor
            </button>
          )}
          <CopyButton
            label="Copy as command line"
            text={formatCommandLine(
              {
                command: "verify",
                options: anchor === undefined ? [] : [{ flag: "anchor", value: formatAnchor(anchor) }]
              },
              apiAddress
            )}
          />
        </div>
        {refusal !== undefined && <p class="hint">{refusal}</p>}
      </form>
      {run._tag === "Running" && <Progress {...run} />}
      {run._tag === "Canceled" && (
        <p class="hint" role="status">
          The verification was canceled. It says nothing about the log.
        </p>
      )}
      {run._tag === "Failed" && <FailureNotice failure={run.failure} onRetry={() => startVerification(anchor)} />}
      {run._tag === "Ended" && <Report run={run} />}
    </section>
  )
}

const describeAnchor = (given: AnchorText | undefined): string => {
  if (given?._tag !== "Anchor") return "Paste a line of backlog anchor, or load a file of anchors."
  const { anchor, count, isTruncated } = given
  return [
    `${count === 1 ? "An anchor" : `The newest of ${formatNumber(count)} anchors`} at position ${formatNumber(anchor.position)}, ` +
      `made ${new Date(anchor.at).toLocaleString()}.`,
    ...(isTruncated ? ["The last line is incomplete and is ignored."] : []),
    ...(anchor.signature === null
      ? []
      : ["It is signed. The server does not check signatures: use backlog verify --public-key."])
  ].join(" ")
}

const Progress = ({
  progress,
  startedAt
}: {
  readonly startedAt: number
  readonly progress: { readonly done: number; readonly total: number } | undefined
}) => {
  const share = progress === undefined || progress.total === 0 ? undefined : progress.done / progress.total
  const elapsed = formatDuration((now.value - startedAt) / 1000)
  return (
    <div class="verify-progress">
      <progress aria-label="Progress of the verification" max={1} {...(share === undefined ? {} : { value: share })} />
      <span>
        {share === undefined ? "Starting" : `${Math.floor(share * 100)} %`}, {elapsed}
        {progress !== undefined && (
          <span class="hint">
            {" "}
            {formatNumber(progress.done)} of {formatNumber(progress.total)} steps
          </span>
        )}
      </span>
      <button type="button" onClick={cancelVerification}>
        Cancel
      </button>
    </div>
  )
}
