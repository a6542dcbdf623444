/** The oldest supported version of Node: that of `engines` in package.json. */
export const oldestNode = "20.20"

/** Describes what to do if a version of Node is older than the program supports; otherwise `undefined`. Without imports, for any Node. */
export const describeOldNode = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode.split(".").map(Number)
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
    ? undefined
    : `Node ${version} is too old. Use Node 22, 24 or 26, or 20.20 or newer of 20.`
}
