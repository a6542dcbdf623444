/** Reads a setting of this browser; `undefined` if there is none, or the browser stores nothing. */
export const readSetting = (name: string): string | undefined => {
  try {
    return localStorage.getItem(`mosaic-backlog:${name}`) ?? undefined
  } catch {
    return undefined
  }
}

/** Stores a setting in this browser, where it permits that. `undefined` removes it. */
export const writeSetting = (name: string, value: string | undefined): void => {
  try {
    if (value === undefined) localStorage.removeItem(`mosaic-backlog:${name}`)
    else localStorage.setItem(`mosaic-backlog:${name}`, value)
  } catch {
    // A browser without storage forgets the setting when the page is closed.
  }
}
