/**
 * The shop's server, from a WeChat mini-program: log in, order, pay.
 *
 *   const { createShop } = require('./pay')
 *   const shop = createShop({ wx, baseUrl: 'https://pay.example.com' })
 *   const order = await shop.createOrder([{ product_id: 'latte', quantity: 1 }])
 *   const { outcome, message } = await shop.pay(order.order_no)
 *
 * One file, no dependencies, nothing newer than ES2018; everything outside comes through `wx`.
 *
 * It must not: send a price, a payer or a status (the server knows them), sign anything (the keys stay on the
 * server), or take the callback of wx.requestPayment for a payment. Whether an order is paid, the server says.
 */
'use strict'

const SESSION_KEY = 'pay.session'
const RENEW_BEFORE = 60 * 1000 // a token that ends within a minute could end on its way
const REQUEST_TIMEOUT = 15 * 1000
const AGAIN_AFTER = [500, 1500] // ms before each repeat of a request whose answer was lost
const SETTLE_AFTER = [0, 700, 1500, 3000] // ms before each question "is it paid?" once WeChat's client said ok
const WATCH_EVERY = [5000, 5000, 10000, 20000] // ms between questions while no callback comes; the last one repeats
const WATCH_MOST = 120

const TEXTS = {
  en: {
    paid: 'Paid.',
    cancelled: 'Payment cancelled. The order can still be paid.',
    pending: 'The payment is being confirmed. Look at the order again in a moment.',
    unasked: 'The result is not known yet: the shop did not answer. Look at the order again in a moment.',
    failed: 'Not paid: ',
    closed: 'The order is closed. If money was taken, it goes back to you.',
    no_answer: 'No answer from the shop. Check the network and try again.',
    bad_answer: 'The shop gave an answer that cannot be read.',
    login_failed: 'WeChat login failed: ',
    payment_in_progress: 'Another payment is still open.'
  },
  zh: {
    paid: '支付成功。',
    cancelled: '支付已取消，订单仍可继续支付。',
    pending: '支付结果确认中，请稍后查看订单。',
    unasked: '暂时无法确认支付结果：商家没有响应，请稍后查看订单。',
    failed: '支付未完成：',
    closed: '订单已关闭。如已扣款，将原路退回。',
    no_answer: '商家没有响应，请检查网络后重试。',
    bad_answer: '商家的响应无法识别。',
    login_failed: '微信登录失败：',
    payment_in_progress: '还有一笔支付没有结束。'
  }
}

/** What went wrong: `code` for programs, `message` for people, `status` 0 if no answer came, `requestId` for support. */
class ShopError extends Error {
  constructor(code, message, status = 0, requestId = '') {
    super(message)
    this.name = 'ShopError'
    this.code = code
    this.status = status
    this.requestId = requestId
  }

  /** True if the server may or may not have done the work: safe to repeat only what is idempotent. */
  get lost() {
    return this.status === 0 ? this.code === 'no_answer' : this.status >= 502 && this.status <= 504
  }
}

/**
 * @param {object} options
 * @param {object} options.wx       the mini-program's `wx`, or something shaped like it
 * @param {string} options.baseUrl  the server, without a slash at the end
 * @param {function(): number} [options.now]  milliseconds since 1970
 * @param {function(number): Promise} [options.wait]  resolves after so many milliseconds
 * @param {function(): string} [options.language]  'zh' or 'en', for messages
 */
function createShop({ wx, baseUrl, now = Date.now, wait = sleep, language = () => 'zh' }) {
  const text = name => TEXTS[language() === 'en' ? 'en' : 'zh'][name]
  let session = readSession(wx)
  let loggingIn = null
  let paying = false

  // --- one request -------------------------------------------------------------------------------------------

  function send(method, path, { data, token: bearer, header } = {}) {
    return new Promise((resolve, reject) => {
      wx.request({
        url: baseUrl + path,
        method,
        data,
        timeout: REQUEST_TIMEOUT,
        header: Object.assign(
          { 'Content-Type': 'application/json', 'Accept-Language': language() },
          bearer ? { Authorization: `Bearer ${bearer}` } : {},
          header
        ),
        success: answer => settleAnswer(answer, resolve, reject),
        fail: () => reject(new ShopError('no_answer', text('no_answer')))
      })
    })
  }

  function settleAnswer({ statusCode, data }, resolve, reject) {
    const readable = data !== null && typeof data === 'object'
    if (statusCode >= 200 && statusCode < 300 && readable) return resolve(data)
    const error = (readable && data.error) || {}
    reject(new ShopError(error.code || 'bad_answer', error.message || text('bad_answer'), statusCode, error.request_id))
  }

  /** For what may be repeated without doing it twice: the same work again while answers get lost. */
  async function again(work) {
    for (const delay of AGAIN_AFTER) {
      try {
        return await work()
      } catch (error) {
        if (!error.lost) throw error
      }
      await wait(delay)
    }
    return work()
  }

  // --- who asks ----------------------------------------------------------------------------------------------

  /** The token; a new one if there is none that lasts. Any number of callers at once share one wx.login. */
  async function token() {
    if (session && session.expiresAt - RENEW_BEFORE > now()) return session.token
    if (!loggingIn) {
      loggingIn = logInOnce().finally(() => {
        loggingIn = null
      })
    }
    return loggingIn
  }

  /** A code serves once, so that each try fetches a fresh one. */
  async function logInOnce() {
    const code = await new Promise((resolve, reject) => {
      wx.login({
        success: result => resolve(result.code),
        fail: result => reject(new ShopError('login_failed', text('login_failed') + reasonOf(result.errMsg)))
      })
    })
    const ticket = await send('POST', '/api/login', { data: { code } })
    session = { token: ticket.token, expiresAt: now() + ticket.expires_in * 1000 }
    quietly(() => wx.setStorageSync(SESSION_KEY, session))
    return session.token
  }

  /** A request with a token; if the server does not take it (any more), once more with a new one. */
  async function call(method, path, options = {}) {
    const used = await token()
    try {
      return await send(method, path, Object.assign({ token: used }, options))
    } catch (error) {
      if (error.status !== 401) throw error
    }
    forget(used)
    return send(method, path, Object.assign({ token: await token() }, options))
  }

  /** Only if it is still the one in use: a neighbour may have renewed it in the meantime. */
  function forget(used) {
    if (!session || session.token !== used) return
    session = null
    quietly(() => wx.removeStorageSync(SESSION_KEY))
  }

  /** Logs in unless that is done already. Not needed before the other calls: they do it themselves. */
  const login = () => again(token).then(() => undefined)

  // --- the catalogue and orders ------------------------------------------------------------------------------

  const path = (orderNo, verb = '') => `/api/orders/${encodeURIComponent(orderNo)}${verb}`

  /** `[{id, title, price_fen, ...}]`; needs no login. */
  const products = () => again(() => send('GET', '/api/products')).then(answer => answer.products)

  /**
   * `items`: `[{product_id, quantity}]`. The key makes the order one order, however often the request is repeated
   * because its answer got lost. The server prices it.
   */
  function createOrder(items) {
    const options = { data: { items }, header: { 'Idempotency-Key': freshKey(now()) } }
    return again(() => call('POST', '/api/orders', options))
  }

  const order = orderNo => again(() => call('GET', path(orderNo)))
  const orders = () => again(() => call('GET', '/api/orders')).then(answer => answer.orders)

  /** The server asks WeChat now; the order as it then is. `order` only reads what is known. */
  const sync = orderNo => again(() => call('POST', path(orderNo, '/sync'), { data: {} }))

  /** The user's own cancel. Resolves to the order, which stays `pending` until WeChat has confirmed. */
  const close = orderNo => again(() => call('POST', path(orderNo, '/close'), { data: {} }))

  // --- paying ------------------------------------------------------------------------------------------------

  /**
   * Pays an order: `{outcome: 'paid' | 'pending' | 'cancelled' | 'failed', order, message}`. `order` is what the server
   * said last, or null if it could not be asked. Throws ShopError if the server refuses to begin (closed, expired, ...).
   */
  async function pay(orderNo) {
    // WeChat's client shows one sheet at a time; a second tap must not open another.
    if (paying) throw new ShopError('payment_in_progress', text('payment_in_progress'))
    paying = true
    try {
      return await payOnce(orderNo)
    } finally {
      paying = false
    }
  }

  async function payOnce(orderNo) {
    let parameters
    try {
      parameters = await again(() => call('POST', path(orderNo, '/pay'), { data: {} }))
    } catch (error) {
      if (error.code !== 'order_paid') throw error
      return settle(orderNo, 'ok') // paid on another device, or before the app was killed
    }
    const sheet = openSheet(parameters)
    const answer = await Promise.race([sheet, watch(orderNo, sheet)])
    return typeof answer === 'string' ? settle(orderNo, answer) : answer
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

  /** While the sheet says nothing (its callback can get lost), ask the server now and then. */
  async function watch(orderNo, sheet) {
    let answered = false
    sheet.then(() => {
      answered = true
    })
    for (let turn = 0; turn < WATCH_MOST; turn++) {
      await wait(WATCH_EVERY[Math.min(turn, WATCH_EVERY.length - 1)])
      if (answered) return sheet
      const known = await sync(orderNo).catch(() => null)
      if (known && known.status !== 'pending' && !answered) return verdict(known, 'ok')
    }
    return verdict(null, 'ok')
  }

  /** What really happened, whatever the client's callback said. */
  async function settle(orderNo, said) {
    let known = null
    for (const delay of said === 'ok' ? SETTLE_AFTER : [0]) {
      if (delay) await wait(delay)
      known = (await sync(orderNo).catch(() => null)) || known
      if (known && known.status !== 'pending') break
    }
    return verdict(known, said)
  }

  function verdict(known, said) {
    if (!known) return { outcome: 'pending', order: null, message: text('unasked') }
    const status = known.status
    if (status === 'closed') return { outcome: 'failed', order: known, message: text('closed') }
    if (status !== 'pending') return { outcome: 'paid', order: known, message: text('paid') }
    if (said === 'ok') return { outcome: 'pending', order: known, message: text('pending') }
    if (said === 'cancel') return { outcome: 'cancelled', order: known, message: text('cancelled') }
    return { outcome: 'failed', order: known, message: text('failed') + said }
  }

  return { login, products, createOrder, order, orders, sync, pay, close }
}

/** 'requestPayment:fail cancel' -> 'cancel', 'requestPayment:ok' -> 'ok', 'login:fail (no network)' -> '(no network)'. */
function reasonOf(errMsg) {
  return String(errMsg || '').replace(/^\w+:(fail)?/, '').trim() || 'fail'
}

/** It must differ from this user's other keys, and need not be secret: time and chance are enough. */
function freshKey(at) {
  const chance = () => Math.random().toString(36).slice(2, 12)
  return `${at.toString(36)}-${chance()}${chance()}`
}

function readSession(wx) {
  const kept = quietly(() => wx.getStorageSync(SESSION_KEY))
  return kept && typeof kept.token === 'string' && typeof kept.expiresAt === 'number' ? kept : null
}

/** Storage only spares a login: a full or forbidden one is no reason to fail. */
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
