/** Characters of a complaint that are told. */
const longest = 4_000

/** A complaint as it is told: it repeats what was given, and that may be long. */
export const shortened = (complaint: string): string =>
  complaint.length <= longest
    ? complaint
    : `${complaint.slice(0, longest).toWellFormed()}… (${complaint.length} characters)`
