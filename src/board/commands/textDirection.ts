/** Longer texts have one direction. With `auto`, browsers need time that grows with the square of the number of lines. */
const maxAutoLength = 10_000

const rightToLeft = /\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}/u

/** Returns the direction of a text in a field: by the browser, or by the first letter of a long text. */
export const directionOf = (text: string): "auto" | "ltr" | "rtl" => {
  if (text.length <= maxAutoLength) return "auto"
  return rightToLeft.test(/\p{L}/u.exec(text)?.[0] ?? "") ? "rtl" : "ltr"
}
