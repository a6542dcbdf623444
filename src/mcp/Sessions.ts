/** Sessions of HTTP clients: whose each is. */
export interface Sessions {
  /** Whether a session is this caller's, as far as is known; it was used just now. */
  readonly isOf: (id: string, whose: string) => boolean
  /** Remembers a new session, and answers the one that is to end for it, if there are too many. */
  readonly opened: (id: string, whose: string) => string | undefined
  readonly ended: (id: string) => void
}

/**
 * Remembers so many sessions at most. Clients seldom say that they end theirs, and a server would keep them for ever: the
 * one that was not used for longest goes.
 */
export const makeSessions = (most: number): Sessions => {
  const owners = new Map<string, string>()
  return {
    isOf: (id, whose) => {
      const owner = owners.get(id)
      if (owner !== whose) return false
      owners.delete(id)
      owners.set(id, whose)
      return true
    },
    opened: (id, whose) => {
      owners.set(id, whose)
      if (owners.size <= most) return undefined
      const [oldest = ""] = owners.keys()
      owners.delete(oldest)
      return oldest
    },
    ended: (id) => {
      owners.delete(id)
    }
  }
}
