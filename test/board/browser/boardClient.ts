import type { RecordedEvent } from "../../../src/board/api/types.ts"

/** A served backlog. */
export interface ServedBoard {
  /** The address of the board. */
  readonly url: string
  /** Sends a command, as a worker does. Returns the JSON of the response. Fails if the server refuses it. */
  readonly post: (path: string, body: object) => Promise<Readonly<Record<string, unknown>>>
  readonly get: (path: string) => Promise<Readonly<Record<string, unknown>>>
  readonly history: (id: string) => Promise<ReadonlyArray<RecordedEvent>>
}

/** Returns functions that send requests to the server at an address, which has no slash at its end. */
export const makeBoardClient = (address: string, token?: string): ServedBoard => {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const read = async (path: string, body?: object): Promise<string> => {
    const response = await fetch(`${address}/${path}`, {
      headers: { "content-type": "application/json", ...authorization },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${path}: ${text}`)
    return text
  }
  return {
    url: `${address}/`,
    post: async (path, body) =>
      JSON.parse(await read(path, { actor: "test", ...body })) as Readonly<Record<string, unknown>>,
    get: async (path) => JSON.parse(await read(path)) as Readonly<Record<string, unknown>>,
    history: async (id) =>
      (await read(`history?id=${encodeURIComponent(id)}`))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as RecordedEvent)
  }
}
