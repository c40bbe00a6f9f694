/**
 * What a mini-program knows as `wx`, for a page: requests go to the shop's server, login and payment to the simulator.
 * It does what WeChat's documents say of each function and nothing of the shop's business, which is pay.js's.
 */

const PREFIX = 'wx.'
const OPENID = 'simulated.openid'

/**
 * `openCashier({amountFen, decide})` shows the sheet and resolves to an errMsg. `heard(event)` is told what passes
 * between phone and shop: `{kind: 'ask' | 'answer' | 'lost', at, method, path, status, headers, body}`, and that the
 * sheet is open: `{kind: 'sheet', outTradeNo}`. `extra(method, path)` gives headers of the demo's own.
 *
 * `kill()`: the app is gone. Nothing is sent any more, and nobody is called back.
 */
export function makeWx({ simulatorUrl, openCashier, heard, extra }) {
  let alive = true
  const living = callback => value => alive && callback && callback(value)
  const ask = (path, data) => post(simulatorUrl + path, data)

  return {
    kill() {
      alive = false
    },
    request({ success, fail, ...options }) {
      if (alive) request(options, heard, extra).then(living(success), living(() => fail({ errMsg: 'request:fail' })))
    },
    login({ success, fail }) {
      if (!alive) return
      const lost = error => fail({ errMsg: `login:fail ${error.message}` })
      ask('/_sim/login', { openid: openid() }).then(living(({ code }) => success({ code, errMsg: 'login:ok' })), living(lost))
    },
    async requestPayment({ complete, success, fail, ...parameters }) {
      const decide = async outcome => (await ask('/_sim/pay', { ...parameters, outcome })).errMsg
      const sheet = await ask('/_sim/cashier', parameters).catch(error => ({ errMsg: `requestPayment:fail ${error.message}` }))
      if (!sheet.errMsg) heard({ kind: 'sheet', outTradeNo: sheet.out_trade_no })
      const errMsg = sheet.errMsg || (await openCashier({ amountFen: sheet.amount_fen, decide }))
      living(errMsg === 'requestPayment:ok' ? success : fail)({ errMsg })
      living(complete)({ errMsg })
    },
    getStorageSync: key => JSON.parse(localStorage.getItem(PREFIX + key) || '""'),
    setStorageSync: (key, value) => localStorage.setItem(PREFIX + key, JSON.stringify(value)),
    removeStorageSync: key => localStorage.removeItem(PREFIX + key)
  }
}

/** Any HTTP status is a success; only a request without an answer fails. */
async function request({ url, method = 'GET', data, header = {}, timeout = 60000 }, heard, extra) {
  const path = new URL(url, location.href).pathname
  const body = data === undefined ? undefined : JSON.stringify(data)
  const headers = { ...header, ...extra(method, path) }
  heard({ kind: 'ask', at: Date.now(), method, path, headers, body })
  const answer = await answered(url, { method, headers, body, signal: AbortSignal.timeout(timeout) })
  heard({ kind: answer ? 'answer' : 'lost', at: Date.now(), method, path, ...answer })
  if (!answer) throw new Error('no answer')
  return { statusCode: answer.status, header: answer.headers, data: parsed(answer.body) }
}

async function answered(url, options) {
  try {
    const response = await fetch(url, options)
    return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() }
  } catch (error) {
    return null
  }
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return text
  }
}

/** A control of the simulator's. */
export async function post(url, data, method = 'POST') {
  const headers = { 'Content-Type': 'application/json' }
  const response = await fetch(url, { method, headers, body: data === undefined ? undefined : JSON.stringify(data) })
  if (!response.ok) throw new Error(`the simulator answered ${response.status}`)
  return response.json()
}

/** One browser is one person, also after a reload. */
export function openid() {
  let kept = localStorage.getItem(OPENID)
  if (!kept) {
    const bytes = crypto.getRandomValues(new Uint8Array(12))
    kept = `oDemo-${Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')}`
    localStorage.setItem(OPENID, kept)
  }
  return kept
}
