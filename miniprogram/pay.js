/**
 * The shop's server, from a WeChat mini-program: log in, order, pay.
 *
 *   const { createShop } = require('./pay')
 *   const shop = createShop({ wx, baseUrl: 'https://pay.example.com' })
 *   const order = await shop.createOrder([{ product_id: 'latte', quantity: 1 }])
 *   const { outcome, message } = await shop.pay(order.order_no)
 *   const begun = await shop.resume()    // in onShow: payments whose end was never seen here
 *
 * One file, no dependencies, nothing newer than ES2018; everything outside comes through `wx` and `wait`.
 *
 * It must not: send a price, a payer or a status (the server knows them), sign anything (the keys stay on the
 * server), or take the callback of wx.requestPayment for a payment. Whether an order is paid, the server says.
 */
'use strict'

/**
 * @typedef {{product_id: string, quantity: number}} Line
 * @typedef {'pending' | 'paid' | 'closed' | 'partially_refunded' | 'refunded'} Status
 * @typedef {{product_id: string, title: string, price_fen: number, quantity: number}} Item
 * @typedef {{order_no: string, status: Status, amount_fen: number, refunded_fen: number, currency: string,
 *   items: Item[], created_at: string, expires_at: string, paid_at: string | null}} Order
 * @typedef {{id: string, title: string, description: string, price_fen: number, picture: string}} Product
 *
 * What came of a payment. `order` is what the server said last, `message` is for people.
 *   paid        the server has it from WeChat
 *   pending     WeChat's client said ok, or nothing; WeChat has not confirmed yet
 *   cancelled   the user closed the sheet; the order can still be paid
 *   failed      WeChat's client gave a reason, or the order was closed meanwhile
 *   unknown     no network, or no answer from the server: `order` is null
 * @typedef {'paid' | 'pending' | 'cancelled' | 'failed' | 'unknown'} Outcome
 * @typedef {{outcome: Outcome, order: Order | null, message: string}} Result
 *
 * The mini-program's `wx`, or something shaped like it.
 * @typedef {{request: Function, login: Function, requestPayment: Function, getStorageSync: Function,
 *   setStorageSync: Function}} Wx
 *
 * What outlives the mini-program. `begun`: payments whose end was not seen, the newest first.
 * @typedef {{token: string, draft: {wanted: string, key: string} | null, begun: string[]}} Kept
 */

const STORAGE_KEY = 'pay.session'
const REQUEST_TIMEOUT = 15 * 1000
const AGAIN_AFTER = [500, 1500, 3000] // ms before each repeat of a request; longer if the server asks for it
const LONGEST_WAIT = 10 * 1000 // who must wait longer is told so
const SETTLE_AFTER = [0, 700, 1500, 3000] // ms before each question "is it paid?" once WeChat's client said ok
const WATCH_AFTER = [5000, 5000, 10000].concat(Array(12).fill(20000)) // the same, while it says nothing
const MOST_BEGUN = 10

const TEXTS = {
  en: {
    paid: 'Paid.',
    pending: 'The payment is being confirmed. Look at the order again in a moment.',
    cancelled: 'Payment cancelled. The order can still be paid.',
    failed: 'Not paid: ',
    closed: 'The order is closed. If money was taken, it goes back to you.',
    unknown: 'The result is not known yet: the shop did not answer. Look at the order again in a moment.',
    no_answer: 'No answer from the shop. Check the network and try again.',
    bad_answer: 'The shop gave an answer that cannot be read.',
    login_failed: 'WeChat login failed: ',
    payment_in_progress: 'Another payment is still open.'
  },
  zh: {
    paid: '支付成功。',
    pending: '支付结果确认中，请稍后查看订单。',
    cancelled: '支付已取消，订单仍可继续支付。',
    failed: '支付未完成：',
    closed: '订单已关闭。如已扣款，将原路退回。',
    unknown: '暂时无法确认支付结果：商家没有响应，请稍后查看订单。',
    no_answer: '商家没有响应，请检查网络后重试。',
    bad_answer: '商家的响应无法识别。',
    login_failed: '微信登录失败：',
    payment_in_progress: '还有一笔支付没有结束。'
  }
}

/** What went wrong: `code` for programs, `message` for people, `status` 0 if no answer came, `requestId` for support. */
class ShopError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, requestId?: string, retryAfter?: number}} [answer]
   */
  constructor(code, message, { status = 0, requestId = '', retryAfter = 0 } = {}) {
    super(message)
    this.name = 'ShopError'
    this.code = code
    this.status = status
    this.requestId = requestId
    this.retryAfter = retryAfter // ms
  }

  /** True if the same request may do better in a moment: no answer, too many requests, busy or starting. */
  get temporary() {
    if (this.status === 502 || this.status === 504) return this.code === 'bad_answer' // a proxy's page, not the shop's
    return this.code === 'no_answer' || this.status === 429 || this.status === 503
  }
}

/**
 * @param {object} options
 * @param {Wx} options.wx
 * @param {string} options.baseUrl  the server, without a slash at the end
 * @param {(milliseconds: number) => Promise<any>} [options.wait]
 * @param {() => string} [options.language]  'zh' or 'en', for messages
 */
function createShop({ wx, baseUrl, wait = sleep, language = () => 'zh' }) {
  const text = name => TEXTS[language() === 'en' ? 'en' : 'zh'][name]
  const kept = recall(wx)
  let loggingIn = null
  let paying = null // {orderNo, result}

  /** Storage can be full or forbidden: then it is kept for as long as the mini-program runs. */
  function keep(changes) {
    Object.assign(kept, changes)
    quietly(() => wx.setStorageSync(STORAGE_KEY, kept))
  }

  // --- one request -------------------------------------------------------------------------------------------

  /**
   * @param {string} method
   * @param {string} path
   * @param {{data?: object, token?: string, header?: object}} [options]
   * @returns {Promise<any>}  the answer's JSON
   */
  function send(method, path, { data, token = '', header } = {}) {
    const bearer = token ? { Authorization: `Bearer ${token}` } : {}
    const common = { 'Content-Type': 'application/json', 'Accept-Language': language() }
    return new Promise((resolve, reject) => {
      wx.request({
        url: baseUrl + path,
        method,
        data,
        timeout: REQUEST_TIMEOUT,
        header: Object.assign(common, bearer, header),
        success: answer => (isGood(answer) ? resolve(answer.data) : reject(refusal(answer))),
        fail: () => reject(new ShopError('no_answer', text('no_answer')))
      })
    })
  }

  function refusal({ statusCode, data, header }) {
    const error = (isReadable(data) && data.error) || {}
    const answer = { status: statusCode, requestId: error.request_id, retryAfter: retryAfter(header) }
    return new ShopError(error.code || 'bad_answer', error.message || text('bad_answer'), answer)
  }

  /** For what may be repeated without doing it twice, which is everything here. */
  async function again(work) {
    for (const pause of AGAIN_AFTER) {
      try {
        return await work()
      } catch (error) {
        if (!error.temporary || error.retryAfter > LONGEST_WAIT) throw error
        await wait(Math.max(pause, error.retryAfter))
      }
    }
    return work()
  }

  // --- who asks ----------------------------------------------------------------------------------------------

  /** The token; when it has ended, the server says. Any number of callers at once share one wx.login. */
  async function token() {
    if (kept.token) return kept.token
    loggingIn = loggingIn || logInOnce().finally(() => (loggingIn = null))
    return loggingIn
  }

  /** A code serves once, so that each try fetches a fresh one. */
  async function logInOnce() {
    const code = await new Promise((resolve, reject) => {
      wx.login({
        success: result => resolve(result.code),
        fail: ({ errMsg }) => reject(new ShopError('login_failed', text('login_failed') + reasonOf(errMsg)))
      })
    })
    const ticket = await send('POST', '/api/login', { data: { code } })
    keep({ token: ticket.token })
    return ticket.token
  }

  /** A request with a token; if the server does not take it any more, once more with a new one. */
  async function call(method, path, options = {}) {
    const used = await token()
    try {
      return await send(method, path, Object.assign({ token: used }, options))
    } catch (error) {
      if (error.status !== 401) throw error
    }
    if (kept.token === used) keep({ token: '' }) // else a neighbour has renewed it in the meantime
    return send(method, path, Object.assign({ token: await token() }, options))
  }

  /**
   * Logs in unless that is done already. Not needed before the other calls: they do it themselves.
   * @returns {Promise<void>}
   */
  const login = () => again(token).then(() => undefined)

  // --- the catalogue and orders ------------------------------------------------------------------------------

  const path = (orderNo, verb = '') => `/api/orders/${encodeURIComponent(orderNo)}${verb}`

  /**
   * Needs no login.
   * @returns {Promise<Product[]>}
   */
  const products = () => again(() => send('GET', '/api/products')).then(answer => answer.products)

  /**
   * Makes an order; the server prices it. Safe to call again after an error: if an earlier call had made the order and
   * its answer was lost, even together with the mini-program, that order comes back.
   * @param {Line[]} items
   * @returns {Promise<Order>}
   */
  async function createOrder(items) {
    const order = await place(items)
    return order.status === 'pending' ? order : place(items) // that one is history: the user wants another
  }

  /** The key that makes it one order is kept until the answer is here. */
  async function place(items) {
    const wanted = JSON.stringify(items)
    if (!kept.draft || kept.draft.wanted !== wanted) keep({ draft: { wanted, key: freshKey() } })
    const options = { data: { items }, header: { 'Idempotency-Key': kept.draft.key } }
    const order = await again(() => call('POST', '/api/orders', options))
    keep({ draft: null })
    return order
  }

  /**
   * What the server knows; it asks nobody.
   * @param {string} orderNo
   * @returns {Promise<Order>}
   */
  const order = orderNo => again(() => call('GET', path(orderNo))).then(noted)

  /**
   * The user's newest orders.
   * @returns {Promise<Order[]>}
   */
  const orders = () => again(() => call('GET', '/api/orders')).then(answer => answer.orders)

  /**
   * The server asks WeChat now; the order as it then is.
   * @param {string} orderNo
   * @returns {Promise<Order>}
   */
  const sync = orderNo => again(() => ask(orderNo))
  const ask = orderNo => call('POST', path(orderNo, '/sync'), { data: {} }).then(noted)

  /**
   * The user's own cancel. The order stays `pending` until WeChat has confirmed.
   * @param {string} orderNo
   * @returns {Promise<Order>}
   */
  const close = orderNo => again(() => call('POST', path(orderNo, '/close'), { data: {} })).then(noted)

  // --- paying ------------------------------------------------------------------------------------------------

  /**
   * Opens WeChat's sheet for an order and says what came of it. For two hours it may be called again after a cancel.
   * A second tap meanwhile gets the same answer; another order must wait (`payment_in_progress`).
   * @param {string} orderNo
   * @returns {Promise<Result>}  rejects with ShopError if the server does not let it begin (closed, expired, ...)
   */
  async function pay(orderNo) {
    if (paying && paying.orderNo !== orderNo) throw new ShopError('payment_in_progress', text('payment_in_progress'))
    paying = paying || { orderNo, result: payOnce(orderNo).finally(() => (paying = null)) }
    return paying.result
  }

  async function payOnce(orderNo) {
    keep({ begun: [orderNo].concat(without(orderNo)).slice(0, MOST_BEGUN) })
    let parameters
    try {
      parameters = await again(() => call('POST', path(orderNo, '/pay'), { data: {} }))
    } catch (error) {
      if (error.code !== 'order_paid') throw error
      return settle(orderNo, 'ok') // paid on another device, or before the mini-program was killed
    }
    return watch(orderNo, openSheet(parameters))
  }

  /**
   * Resolves to 'ok', 'cancel' or WeChat's reason. `complete` is the one callback that every version of WeChat
   * calls: an old iOS one reports a cancel through it alone.
   */
  function openSheet({ timeStamp, nonceStr, package: prepay, signType, paySign }) {
    return new Promise(resolve => {
      const complete = ({ errMsg }) => resolve(reasonOf(errMsg))
      try {
        wx.requestPayment({ timeStamp, nonceStr, package: prepay, signType, paySign, complete })
      } catch (error) {
        resolve(error.message)
      }
    })
  }

  /** The sheet can stay open for long, and its callback can get lost: meanwhile the server is asked now and then. */
  async function watch(orderNo, sheet) {
    let known = null
    for (const pause of WATCH_AFTER) {
      const said = await Promise.race([sheet, wait(pause)])
      if (said) return settle(orderNo, said)
      known = await ask(orderNo).catch(() => known)
      if (known && known.status !== 'pending') break
    }
    return verdict(known, 'ok')
  }

  /** What really happened, whatever the sheet said. */
  async function settle(orderNo, said) {
    let known = null
    for (const pause of said === 'ok' ? SETTLE_AFTER : [0]) {
      await wait(pause)
      const answer = await sync(orderNo).catch(() => null)
      known = answer || known
      if (!answer || answer.status !== 'pending') break
    }
    return verdict(known, said)
  }

  /** @returns {Result} */
  function verdict(known, said) {
    const result = (outcome, message = text(outcome)) => ({ outcome, order: known, message })
    if (!known) return result('unknown')
    if (known.status === 'closed') return result('failed', text('closed'))
    if (known.status !== 'pending') return result('paid')
    if (said === 'ok') return result('pending')
    return said === 'cancel' ? result('cancelled') : result('failed', text('failed') + said)
  }

  // --- payments whose end was not seen -----------------------------------------------------------------------

  /**
   * For onShow. Asks about every payment that was begun on this phone and not seen to its end, because the callback was
   * lost, the mini-program was killed, or the user cancelled: those orders as they now are. One that is not `pending`
   * is told once; one that the server could not be asked about is asked about the next time.
   * @returns {Promise<Order[]>}
   */
  async function resume() {
    const open = kept.begun.filter(orderNo => !paying || paying.orderNo !== orderNo)
    const answers = await Promise.all(open.map(orderNo => sync(orderNo).catch(error => lost(orderNo, error))))
    return answers.filter(Boolean)
  }

  function lost(orderNo, error) {
    if (error.status === 404) keep({ begun: without(orderNo) }) // somebody else is logged in now
    return null
  }

  /** Every answer about an order passes here. */
  function noted(answer) {
    if (answer.status !== 'pending') keep({ begun: without(answer.order_no) })
    return answer
  }

  const without = orderNo => kept.begun.filter(other => other !== orderNo)

  return { login, products, createOrder, order, orders, sync, close, pay, resume }
}

/** 'requestPayment:fail cancel' -> 'cancel', 'requestPayment:ok' -> 'ok', 'login:fail (no network)' -> '(no network)'. */
function reasonOf(errMsg) {
  return String(errMsg || '').replace(/^\w+:(fail)?/, '').trim() || 'fail'
}

const isReadable = data => data !== null && typeof data === 'object'
const isGood = ({ statusCode, data }) => statusCode >= 200 && statusCode < 300 && isReadable(data)

/** The server's wish, in ms; phones differ in how they spell a header's name. */
function retryAfter(header) {
  const name = Object.keys(header || {}).find(one => one.toLowerCase() === 'retry-after')
  return name ? Number(header[name]) * 1000 || 0 : 0
}

/** It must differ from this user's other keys, and need not be secret: time and chance are enough. */
function freshKey() {
  const chance = () => Math.random().toString(36).slice(2, 12)
  return `${Date.now().toString(36)}-${chance()}${chance()}`
}

/** @returns {Kept} */
function recall(wx) {
  const kept = quietly(() => wx.getStorageSync(STORAGE_KEY))
  return Object.assign({ token: '', draft: null, begun: [] }, kept)
}

function quietly(work) {
  try {
    return work()
  } catch (error) {
    return null
  }
}

function sleep(milliseconds) {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

module.exports = { createShop, ShopError }
