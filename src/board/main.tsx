import { options, render } from "preact"
import { keepSession } from "./api/session.ts"
import { App } from "./shell/App.tsx"
import { keepKeys } from "./shell/keys.ts"
import { keepMomentTime } from "./shell/momentTime.ts"
import { keepTheme } from "./shell/theme.ts"
import { keepAlarm } from "./trust/alarm.ts"

let renderNow = (): void => undefined

// At most one render per frame. Browsers run no frames for hidden pages, which render a little later instead.
options.debounceRendering = (flush) => {
  renderNow = flush
  if (document.hidden) setTimeout(flush, 100)
  else requestAnimationFrame(flush)
}

// Enter and a click act on what the reader typed last, even if no frame was rendered since then.
for (const name of ["keydown", "click", "submit"]) addEventListener(name, () => renderNow(), { capture: true })

keepTheme()
keepKeys()
keepSession()
keepAlarm()
keepMomentTime()

const root = document.querySelector("#app")
// In a task of its own: together with the evaluation of the modules it would block the page for too long.
if (root !== null) setTimeout(() => render(<App />, root))
