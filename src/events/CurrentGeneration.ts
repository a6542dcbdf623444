/** The generation that a transaction works in, and the server on which it works. */
export interface CurrentGeneration {
  readonly generation: number
  /** What tells this server and its timeline from others; null on a standby. */
  readonly server: string | null
}
