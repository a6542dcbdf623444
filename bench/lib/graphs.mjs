import { cardId } from "./population.mjs"

const card = (number, dependsOn) => ({ id: cardId(number), title: `Card ${number}`, dependsOn: dependsOn.map(cardId) })

/** Graphs of cards whose edges all lead to lower numbers. */
export const graphs = {
  /** Each card depends on the previous one. */
  chain: function* (count) {
    for (let number = 0; number < count; number++) yield card(number, number === 0 ? [] : [number - 1])
  },
  /** The last card depends on all others. */
  "fan-in": function* (count) {
    for (let number = 0; number < count - 1; number++) yield card(number, [])
    yield card(
      count - 1,
      Array.from({ length: count - 1 }, (_, number) => number)
    )
  },
  /** All cards depend on the first. */
  "fan-out": function* (count) {
    for (let number = 0; number < count; number++) yield card(number, number === 0 ? [] : [0])
  },
  /** Layers of 100 cards; each card depends on five cards of the previous layer. */
  layered: function* (count) {
    for (let number = 0; number < count; number++) yield card(number, number < layer ? [] : below(number))
  }
}

export const layer = 100

const edgesOfCard = 5

const below = (number) => {
  const place = number % layer
  const first = number - place - layer
  return Array.from({ length: edgesOfCard }, (_, edge) => first + ((place + edge * 7) % layer))
}
