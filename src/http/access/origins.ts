/** Whether a text is an origin as browsers write it: scheme, host, and a port where it is not the scheme's own. */
export const isOrigin = (text: string): boolean => /^https?:\/\//.test(text) && URL.parse(text)?.origin === text

/**
 * The origin of the server's own pages, by how the server is asked for. A browser leaves out the port that belongs to the
 * scheme, so that is left out here.
 */
export const originOf = (scheme: "http" | "https", host: string): string | undefined =>
  URL.parse(`${scheme}://${host}`)?.origin
