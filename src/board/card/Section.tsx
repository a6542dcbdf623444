import type { ComponentChildren } from "preact"

/** A part of a card with a title. */
export const Section = ({
  children,
  count,
  title
}: {
  readonly title: string
  readonly count?: string | number | undefined
  readonly children: ComponentChildren
}) => (
  <section class="part">
    <h2>
      {title} {count !== undefined && <span class="count">{count}</span>}
    </h2>
    {children}
  </section>
)
