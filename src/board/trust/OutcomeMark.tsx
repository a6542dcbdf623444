import type { Verification } from "../api/types.ts"
import { Icon } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"

/** What a verification found, as an icon and words. */
export const OutcomeMark = ({ verification }: { readonly verification: Verification }) => {
  const { anchorMatched, divergences, outcome } = verification
  if (anchorMatched === false) return <BadMark words="anchor mismatch" />
  if (outcome === "divergent") {
    return <BadMark words={divergences === 1 ? "1 divergence" : `${formatNumber(divergences)} divergences`} />
  }
  return (
    <span class="mark claimable">
      <Icon name="done" />
      consistent
    </span>
  )
}

/** Something that must not be, as an icon and words. */
export const BadMark = ({ words }: { readonly words: string }) => (
  <span class="mark blocked">
    <Icon name="alert" />
    {words}
  </span>
)
