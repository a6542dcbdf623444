const units = [
  [86_400, "d", 3_600, "h"],
  [3_600, "h", 60, "m"],
  [60, "m", 1, "s"]
] as const

/** Formats a duration in seconds with its two largest units: `2d 4h`, `14m 03s`, `9s`. Fractions are dropped. */
export const formatDuration = (seconds: number): string => {
  const whole = Math.max(0, Math.floor(seconds))
  for (const [size, unit, nextSize, nextUnit] of units) {
    if (whole < size) continue
    const rest = Math.floor((whole % size) / nextSize)
    return `${Math.floor(whole / size)}${unit} ${String(rest).padStart(nextUnit === "h" ? 1 : 2, "0")}${nextUnit}`
  }
  return `${whole}s`
}

/** Formats a duration in seconds with its largest unit, for places with little room: `2d`, `14m`, `9s`. */
export const formatBriefDuration = (seconds: number): string => formatDuration(seconds).split(" ")[0] ?? ""
