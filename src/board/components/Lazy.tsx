import type { ComponentType } from "preact"
import { useEffect, useState } from "preact/hooks"
import { follow } from "../api/follow.ts"
import { ApiFailure } from "../api/request.ts"
import { FailureNotice, Loading } from "./Condition.tsx"

/** A module with the component as its default export. */
export type LoadComponent = () => Promise<{ readonly default: ComponentType }>

const loaded = new Map<LoadComponent, ComponentType>()

/** A component that is loaded when it is shown first. */
export const Lazy = ({ load, what }: { readonly load: LoadComponent; readonly what: string }) => {
  const [attempt, tryAgain] = useState(0)
  const [state, setState] = useState<ComponentType | ApiFailure | undefined>(() => loaded.get(load))
  useEffect(() => {
    let isCurrent = true
    if (loaded.has(load)) return undefined
    setState(undefined)
    load().then(
      (module) => {
        loaded.set(load, module.default)
        if (isCurrent) setState(() => module.default)
      },
      (cause: unknown) => {
        const advice = "The server does not respond, or has a newer version: then reload the page."
        if (isCurrent) setState(new ApiFailure("offline", `${advice} (${String(cause)})`))
      }
    )
    return () => {
      isCurrent = false
    }
  }, [load, attempt])
  const isLive = follow.value._tag === "Live"
  useEffect(() => {
    if (isLive && state instanceof ApiFailure) tryAgain((known) => known + 1)
  }, [isLive])
  const Component = loaded.get(load)
  if (Component !== undefined) return <Component />
  return state instanceof ApiFailure ? (
    <FailureNotice failure={state} onRetry={() => tryAgain(attempt + 1)} />
  ) : (
    <Loading what={what} />
  )
}
