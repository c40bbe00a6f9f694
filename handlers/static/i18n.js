/** Which of the two languages is on, and its texts: `en.js` and `zh.js`, each loaded when it is first needed. */

const KEPT = 'language'
const NAMES = ['en', 'zh']
let current = 'en'
let texts = {}

/** `?lang=` wins, then an earlier choice, then what the server took from the browser. */
export function startLanguage() {
  const asked = new URLSearchParams(location.search).get('lang')
  const wanted = [asked, localStorage.getItem(KEPT), document.documentElement.lang].find(name => NAMES.includes(name))
  return speak(wanted || 'en')
}

export function language() {
  return current
}

/** A page without its server goes on in the language that it has. */
export async function switchLanguage() {
  await speak(current === 'zh' ? 'en' : 'zh')
  localStorage.setItem(KEPT, current)
  const address = new URL(location.href)
  address.searchParams.set('lang', current)
  history.replaceState(history.state, '', address)
}

async function speak(name) {
  texts = (await import(`./${name}.js`)).TEXTS
  current = name
  document.documentElement.lang = current
}

/** The text called `name`, with `{values}` filled in. */
export function t(name, values = {}) {
  return (texts[name] || name).replace(/\{(\w+)\}/g, (_, key) => values[key])
}

/** A product's title or description in the current language. */
export function of(product, field) {
  return (current === 'en' && product[`${field}_en`]) || product[field] || ''
}
