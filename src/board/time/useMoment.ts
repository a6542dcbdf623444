import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { head } from "../api/follow.ts"
import { type ApiFailure, getJson, toFailure } from "../api/request.ts"
import { endSession } from "../api/session.ts"
import type { Density } from "../api/types.ts"
import { type Query, useQuery } from "../api/useQuery.ts"
import { moment } from "../shell/location.ts"
import { loadMoment, type ShownMoment } from "./loadMoment.ts"
import { makeMomentReader } from "./momentReader.ts"
import type { TimeRange } from "./timeline.ts"

/** Parts of the chart. Each costs the server two reads of an index. */
const chartParts = 160

/** Reads the density of a range. The chart of the end of the log is read again when the log has grown by one of its parts. */
export const useDensity = (range: TimeRange | undefined): Query<Density> => {
  const shown = useRef<Density | undefined>(undefined)
  const query = useQuery(
    JSON.stringify(range ?? "all"),
    async (signal) => {
      shown.current = await getJson<Density>("density", { ...range, buckets: chartParts }, signal)
      return shown.current
    },
    {
      isAffectedBy:
        range === undefined &&
        (({ position }) => {
          const { from = 1, to = 0 } = shown.current ?? {}
          return position - to >= (to - from + 1) / chartParts
        })
    }
  )
  return query
}

/** While events arrive, the present is read this often at most, in milliseconds. */
const presentMillis = 250

/** Returns a function that runs another in the next frame, and in the present not too often. */
const makePacer = (): ((run: () => void) => void) => {
  let ranAt = 0
  return (run) => {
    const runInFrame = (): void => {
      requestAnimationFrame(() => {
        ranAt = Date.now()
        run()
      })
    }
    const wait = moment.peek() === undefined ? ranAt + presentMillis - Date.now() : 0
    if (wait > 0) setTimeout(runInFrame, wait)
    else runInFrame()
  }
}

/** What the view knows about its moment. */
export interface MomentView {
  /** The position of the slider. */
  readonly position: number
  /** The backlog as of the position, or of the one before while it is read. */
  readonly shown: ShownMoment | undefined
  readonly failure: ApiFailure | undefined
  readonly retry: () => void
}

/** Reads the backlog as of the moment of the URL, or now, and again when it changes. */
export const useMoment = (): MomentView => {
  const at = moment.value
  const position = at ?? head.value
  const reader = useMemo(
    () =>
      makeMomentReader(
        ({ isNow, position: place }: { readonly position: number; readonly isNow: boolean }, ended) =>
          loadMoment(place, isNow, ended),
        makePacer()
      ),
    []
  )
  const retry = (): void => reader.read({ position, isNow: at === undefined })
  useEffect(retry, [position, at === undefined])
  useEffect(() => reader.close, [reader])
  const { failure, value } = reader.state.value
  const known = failure === undefined ? undefined : toFailure(failure)
  useEffect(() => {
    if (known?.kind === "unauthorized") endSession(known)
  }, [failure])
  return { position, shown: value, failure: known, retry }
}

/** Returns a value that has not changed for a while, in milliseconds. */
export const useSettled = <A>(value: A, millis: number): A => {
  const [settled, settle] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => settle(value), millis)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

/** Returns whether a value has been the same for longer than a time, in milliseconds. */
export const useIsOld = (value: number, millis: number): boolean => {
  const [old, become] = useState<number | undefined>()
  useEffect(() => {
    const timer = setTimeout(() => become(value), millis)
    return () => clearTimeout(timer)
  }, [value])
  return old === value
}
