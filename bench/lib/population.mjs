/** The id of a card, by its number. */
export const cardId = (number) => `card-${String(number).padStart(7, "0")}`

const card = (number, more) => ({ id: cardId(number), title: `Card ${number}`, ...more })

/** The labels of the cards of a ten: `common` on every other ten, `rare` on one of 500, `third` on one of three. */
export const labelsOf = (number) => {
  const ten = Math.floor(number / 10)
  return [
    ...(ten % 2 === 0 ? ["common"] : []),
    ...(ten % 500 === 0 ? ["rare"] : []),
    ...(ten % 3 === 0 ? ["third"] : [])
  ]
}

/** The cards of a state, with labels. */
export function* labelledCardsIn(state, count) {
  let number = 0
  for (const each of cardsIn(state, count)) yield { ...each, labels: labelsOf(number++) }
}

/** Cards that are all claimable. */
export function* plainCards(count, from = 0) {
  for (let number = from; number < from + count; number++) yield card(number)
}

/** The number of cards in each other state among ten cards, and whether waiting cards come first. */
export const states = {
  "all claimable": {},
  "50 % done": { done: 5 },
  "90 % done": { done: 9 },
  "50 % blocked": { blocked: 5 },
  "90 % blocked": { blocked: 9 },
  "50 % waiting": { waiting: 5 },
  "90 % waiting": { waiting: 9 },
  "90 % waiting, and first": { waiting: 9, first: true },
  mixed: { done: 6, waiting: 2, blocked: 1 }
}

/**
 * Cards of a backlog in one of the `states`. The last of each ten is claimable. It depends on two done cards, where there
 * are any, and the waiting cards depend on it.
 */
export function* cardsIn(state, count) {
  const { blocked = 0, done = 0, first = false, waiting = 0 } = states[state]
  for (let number = 0; number < count; number++) {
    const place = number % 10
    const ten = number - place
    const priority = (ten / 10) % 5
    if (place < done) yield card(number, { priority, status: "done" })
    else if (place < done + waiting) {
      yield card(number, { priority: first ? 100 : priority, dependsOn: [cardId(ten + 9)] })
    } else if (place < done + waiting + blocked) yield card(number, { priority, status: "blocked" })
    else yield card(number, { priority, dependsOn: done === 0 ? [] : [cardId(ten), cardId(ten + 1)] })
  }
}
