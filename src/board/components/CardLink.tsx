import { hrefTo } from "../shell/location.ts"

/** A link that shows a card next to the current view. */
export const CardLink = ({ id, title }: { readonly id: string; readonly title?: string | undefined }) => (
  <a href={hrefTo({ parameters: { card: id } })} class="card-link">
    <code>{id}</code>
    {title !== undefined && <span dir="auto">{title}</span>}
  </a>
)
