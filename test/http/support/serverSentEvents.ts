import { Effect, Stream } from "effect"

/** The fields of a server-sent event. */
export interface Frame {
  readonly id?: string
  readonly event?: string
  readonly data?: string
}

/** Parses a text into frames. */
export const framesOf = (text: string): ReadonlyArray<Frame> =>
  text
    .split("\n\n")
    .filter((block) => block !== "" && !block.startsWith(":"))
    .map((block) => Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s, 2))) as Frame)

/** Reads server-sent events as they arrive, until the server ends them. */
export const readFrames = (url: string, headers: Record<string, string> = {}): Stream.Stream<Frame> =>
  Stream.unwrap(
    Effect.map(
      Effect.promise((signal) => fetch(url, { headers, signal })),
      (response) =>
        Stream.fromReadableStream({
          evaluate: () => response.body as ReadableStream<Uint8Array>,
          onError: (error) => error
        }).pipe(
          Stream.decodeText,
          Stream.splitLines,
          Stream.mapAccum(
            () => "",
            (block, line) => (line === "" ? ["", framesOf(block)] : ([`${block}${line}\n`, []] as const))
          ),
          Stream.orDie
        )
    )
  )
