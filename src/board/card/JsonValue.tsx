import { LongText } from "../components/LongText.tsx"

/** JSON of a card: a text as text, everything else indented. */
export const JsonValue = ({ value }: { readonly value: unknown }) =>
  typeof value === "string" ? <LongText text={value} /> : <LongText text={JSON.stringify(value, null, 2)} isCode />
