import type { ComponentChildren } from "preact"

/** Keeps a wide table inside the page: the table scrolls sideways, also by the keyboard. */
export const TableScroller = ({
  children,
  label
}: {
  readonly label: string
  readonly children: ComponentChildren
}) => (
  // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- Without the focus, the keyboard cannot scroll it.
  <div class="table-scroller" role="region" aria-label={label} tabIndex={0}>
    <table>{children}</table>
  </div>
)
