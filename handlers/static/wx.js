/**
 * What a mini-program knows as `wx`, for a page: requests go to the shop's server, login and payment to the simulator.
 * It does what WeChat's documents say of each function and nothing of the shop's business, which is pay.js's.
 */

const PREFIX = 'wx.'
const OPENID = 'simulated.openid'

/**
 * `openCashier({amountFen, decide})` shows the sheet and resolves to an errMsg. `heard(event)` is told what passes:
 * `{kind: 'ask' | 'answer', method, path, status, data}`, `{kind: 'sheet' | 'paid' | 'closed', orderNo}`.
 */
export function makeWx({ simulatorUrl, openCashier, heard }) {
  const passing = new Passing()

  return {
    request: options => request(options, event => heard(passing.note(event))),
    login: ({ success, fail }) =>
      post(`${simulatorUrl}/_sim/login`, { openid: openid() }).then(
        ({ code }) => success({ code, errMsg: 'login:ok' }),
        error => fail({ errMsg: `login:fail ${error.message}` })
      ),
    requestPayment({ complete, success, fail, ...parameters }) {
      const orderNo = passing.orderOf(parameters.package)
      const decide = async outcome => {
        const { errMsg } = await post(`${simulatorUrl}/_sim/pay`, { ...parameters, outcome })
        heard({ kind: errMsg === 'requestPayment:ok' ? 'paid' : 'refused', orderNo, errMsg })
        return errMsg
      }
      heard({ kind: 'sheet', orderNo })
      openCashier({ amountFen: passing.amountOf(orderNo), decide }).then(errMsg => {
        const callback = errMsg === 'requestPayment:ok' ? success : fail
        if (callback) callback({ errMsg })
        if (complete) complete({ errMsg })
      })
    },
    getStorageSync: key => JSON.parse(localStorage.getItem(PREFIX + key) || '""'),
    setStorageSync: (key, value) => localStorage.setItem(PREFIX + key, JSON.stringify(value)),
    removeStorageSync: key => localStorage.removeItem(PREFIX + key)
  }
}

/**
 * WeChat's own client asks WeChat what a prepay_id costs. The simulator has no route for that, so the amount is
 * remembered from the answers that pass.
 */
class Passing {
  constructor() {
    this.amounts = new Map()
    this.packages = new Map()
  }

  note(event) {
    if (event.kind !== 'answer' || event.status >= 300) return event
    const [, orderNo] = event.path.match(/^\/api\/orders\/(\w+)\/pay$/) || []
    if (orderNo) this.packages.set(event.data.package, orderNo)
    for (const order of event.data.orders || [event.data]) {
      if (order.order_no) this.amounts.set(order.order_no, order.amount_fen)
    }
    return event
  }

  orderOf(prepay) {
    return this.packages.get(prepay)
  }

  amountOf(orderNo) {
    return this.amounts.get(orderNo)
  }
}

/** Any HTTP status is a success; only a request without an answer fails. */
async function request({ url, method = 'GET', data, header = {}, timeout = 60000, success, fail }, heard) {
  const path = new URL(url, location.href).pathname
  const body = data === undefined ? undefined : JSON.stringify(data)
  heard({ kind: 'ask', method, path })
  let answer
  try {
    const response = await fetch(url, { method, headers: header, body, signal: AbortSignal.timeout(timeout) })
    answer = { statusCode: response.status, data: parsed(await response.text()) }
  } catch (error) {
    heard({ kind: 'lost', method, path })
    return fail({ errMsg: 'request:fail' })
  }
  heard({ kind: 'answer', method, path, status: answer.statusCode, data: answer.data })
  success(answer)
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch (error) {
    return text
  }
}

async function post(url, data) {
  const headers = { 'Content-Type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(data) })
  if (!response.ok) throw new Error(`the simulator answered ${response.status}`)
  return response.json()
}

/** One browser is one person, also after a reload. */
function openid() {
  let kept = localStorage.getItem(OPENID)
  if (!kept) {
    const bytes = crypto.getRandomValues(new Uint8Array(12))
    kept = `oDemo-${Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')}`
    localStorage.setItem(OPENID, kept)
  }
  return kept
}
