import { signal } from "@preact/signals"

/** A bucket as the charts show it. */
export interface PointedBucket {
  readonly startsAt: string
  /** Its local time in words. */
  readonly label: string
}

/** The place of the bucket that the reader points at, in all charts; `undefined` for the whole range. */
export const pointedBucket = signal<number | undefined>(undefined)
