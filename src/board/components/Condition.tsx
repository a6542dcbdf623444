import type { ComponentChildren } from "preact"
import { useEffect, useState } from "preact/hooks"
import { Icon, type IconName } from "./Icon.tsx"
import type { ApiFailure, FailureKind } from "../api/request.ts"
import type { Query } from "../api/useQuery.ts"

/** A message in place of data: what the reader sees, why, and what to do. */
export const Notice = ({
  action,
  children,
  icon,
  title,
  tone = "plain"
}: {
  readonly icon: IconName
  readonly title: string
  readonly tone?: "plain" | "bad"
  readonly children?: ComponentChildren
  readonly action?: ComponentChildren
}) => (
  <div class={`notice ${tone}`} role={tone === "bad" ? "alert" : "status"}>
    <Icon name={icon} />
    <strong>{title}</strong>
    {children !== undefined && <p>{children}</p>}
    {action}
  </div>
)

const titles: Readonly<Record<FailureKind, { readonly icon: IconName; readonly title: string }>> = {
  offline: { icon: "offline", title: "No connection to the server" },
  unauthorized: { icon: "lock", title: "The server requires a token" },
  forbidden: { icon: "lock", title: "Not permitted" },
  notFound: { icon: "missing", title: "Not found" },
  refused: { icon: "alert", title: "The server refused the request" },
  busy: { icon: "time", title: "The server cannot respond now" },
  failed: { icon: "alert", title: "The request failed" }
}

/** Why a request failed, with a button that sends it again. */
export const FailureNotice = ({
  failure,
  onRetry
}: {
  readonly failure: ApiFailure
  readonly onRetry?: (() => unknown) | undefined
}) => (
  <Notice
    {...titles[failure.kind]}
    tone="bad"
    action={
      onRetry !== undefined && (
        <button type="button" onClick={() => void onRetry()}>
          Try again
        </button>
      )
    }
  >
    {failure.message}
    {failure.retryAfterSeconds !== undefined && ` Wait ${failure.retryAfterSeconds} seconds.`}
  </Notice>
)

const slowAfterMillis = 2_000

/** Gray lines where data will be. After 2 seconds they say that the server takes long. */
export const Loading = ({
  lines = 3,
  what
}: {
  /** What is loaded, as in "Loading the card". */
  readonly what: string
  readonly lines?: number
}) => {
  const [isSlow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowAfterMillis)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div class="loading" role="status">
      <span class={isSlow ? "loading-slow" : "visually-hidden"}>
        {isSlow ? `Still loading ${what}. The server takes long to respond.` : `Loading ${what}`}
      </span>
      {Array.from({ length: lines }, (_, index) => (
        <i key={index} class="skeleton" />
      ))}
    </div>
  )
}

/**
 * Shows the answer of a query, or its condition: loading, slow, or failed. An answer remains visible when a later request fails,
 * with a line that says so.
 */
export const Answered = <A,>({
  children,
  lines,
  query,
  what
}: {
  readonly query: Query<A>
  /** What is loaded, as in "Loading the card". */
  readonly what: string
  readonly lines?: number
  readonly children: (value: A) => ComponentChildren
}) => {
  const { failure, value } = query.answer.value
  if (value === undefined) {
    return failure === undefined ? (
      <Loading what={what} {...(lines === undefined ? {} : { lines })} />
    ) : (
      <FailureNotice failure={failure} onRetry={query.refresh} />
    )
  }
  return (
    <>
      {failure !== undefined && <StaleLine failure={failure} />}
      {children(value)}
    </>
  )
}

/** Says that what is shown is not current. */
export const StaleLine = ({ failure }: { readonly failure: ApiFailure }) => (
  <p class="stale" role="status">
    <Icon name="offline" /> Not current: {failure.message}
  </p>
)
