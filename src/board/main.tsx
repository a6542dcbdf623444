import { options, render } from "preact"
import { keepSession } from "./api/session.ts"
import { App } from "./shell/App.tsx"
import { keepKeys } from "./shell/keys.ts"
import { keepMomentTime } from "./shell/momentTime.ts"
import { keepTheme } from "./shell/theme.ts"
import { keepAlarm } from "./trust/alarm.ts"

/** Renders what has changed; does nothing if everything is rendered. */
let renderNow = (): void => undefined

// At most one render per frame. Browsers run no frames for hidden pages, which render a little later instead.
options.debounceRendering = (flush) => {
  renderNow = flush
  if (document.hidden) setTimeout(flush, 100)
  else requestAnimationFrame(flush)
}

// A key or a click acts on what has changed before it, even if no frame was rendered since then.
for (const type of ["keydown", "click", "submit"]) addEventListener(type, () => renderNow(), { capture: true })

keepTheme()
keepKeys()
keepSession()
keepAlarm()
keepMomentTime()

// What the reader does is rendered at once. The next key or click may come before the next frame, and would act on what was shown
// before. This is after the listeners of keys.
for (const type of ["input", "change", "keydown", "click"]) addEventListener(type, () => renderNow())

const root = document.querySelector("#app")
// In a task of its own: together with the evaluation of the modules it would block the page for too long.
if (root !== null) setTimeout(() => render(<App />, root))
