/**
 * The demo shop: state, addresses and actions. What is shown is made by the views, what is asked by pay.js, the same
 * file that a mini-program uses; `wx` is a shim. Nothing here decides whether an order is paid.
 */
import { openCashier } from './cashier.js'
import { h, icon, yuan } from './dom.js'
import { homeView } from './home.js'
import { language, startLanguage, switchLanguage, t } from './i18n.js'
import { ofExchange, ofPage } from './messages.js'
import { closedView, orderView, ordersView, timeLeft } from './order.js'
import { Panel } from './panel.js'
import { Player } from './plays.js'
import { listen } from './stream.js'
import { Wire } from './wire.js'
import { makeWx, openid } from './wx.js'

const MOST_OF_ONE = 99
const { simulatorUrl, scheme, version } = document.body.dataset

const part = name => document.getElementById(name)
const behindSheet = ['nav', 'screen', 'dock'].map(part)

const state = {
  products: null,
  basket: new Map(), // product id -> quantity
  orders: null,
  order: null,
  begun: [], // orders whose payment was begun here and may still be finished, the newest first
  closing: new Set(), // order numbers whose close WeChat has not confirmed
  sure: false, // the first tap on "cancel order" asks, the second does it
  busy: '', // the action under way: 'checkout', 'pay' or 'cancel'
  loading: 0, // how many answers are awaited that only show something
  notice: null, // {tone: 'info' | 'good' | 'bad', text}
  scheme, // of new payments
  playing: '', // the play under way
  killed: false // the mini-program is gone
}

await startLanguage()
const wire = new Wire()
let wx, shop, player

/** A fresh mini-program: what an earlier one had begun, nobody hears of any more. */
function startShop() {
  if (wx) wx.kill()
  wx = makeWx({
    simulatorUrl,
    openCashier: options => openCashier(part('sheet'), behindSheet, options),
    heard(event) {
      if (event.kind !== 'sheet') wire.add(ofPage(event))
      player.heard(event)
    },
    extra: (method, path) => (path.endsWith('/pay') && state.scheme !== scheme ? { 'X-Demo-Scheme': state.scheme } : {})
  })
  shop = globalThis.payModule.exports.createShop({ wx, baseUrl: location.origin, language })
}

// --- addresses: #/ , #/orders , #/orders/MP... --------------------------------------------------------------------

function here() {
  const [, list, orderNo] = location.hash.match(/^#\/(orders)(?:\/(\w+))?$/) || []
  return { view: orderNo ? 'order' : list ? 'orders' : 'home', orderNo }
}

function go(address) {
  location.hash = address
}

/** A new address: forget what was said about the old one, show what is known, then ask. */
async function enter() {
  const { view, orderNo } = here()
  Object.assign(state, { notice: null, sure: false })
  if (state.order && state.order.order_no !== orderNo) state.order = null
  render()
  part('screen').scrollTop = 0
  part('screen').focus({ preventScroll: true })
  await reload()
}

/** Asks for what is shown here. Buttons go on working meanwhile. */
async function reload() {
  if (state.killed) return
  const { view, orderNo } = here()
  state.loading += 1
  render()
  try {
    if (!state.products) state.products = await shop.products()
    if (view === 'home') await shop.login()
    if (view === 'orders') {
      state.orders = await shop.orders()
      state.orders.forEach(show)
    }
    if (view === 'order') show(await shop.order(orderNo))
  } catch (error) {
    say('bad', error.message)
  }
  state.loading -= 1
  render()
}

/** An answer about an order that is no longer looked at changes nothing on the screen but the offer to go on paying. */
function show(order) {
  if (!order) return
  if (order.status !== 'pending') state.begun = state.begun.filter(other => other.order_no !== order.order_no)
  if (order.order_no === here().orderNo) state.order = order
}

/** As in onShow: payments whose end was not seen, because the page was left or closed in between. */
async function resume() {
  if (state.killed || state.busy) return
  const found = await shop.resume()
  state.begun = found.filter(order => order.status === 'pending')
  found.forEach(show)
  const done = found.find(order => order.status === 'paid' && order.order_no !== here().orderNo)
  if (done) say('good', t('resumed_paid', { sum: `¥${yuan(done.amount_fen)}` }))
  render()
}

// --- actions ---------------------------------------------------------------------------------------------------

/** One action at a time; what goes wrong is said in words. */
async function act(name, work) {
  if (state.busy) return
  Object.assign(state, { busy: name, notice: null })
  render()
  try {
    await work()
  } catch (error) {
    say('bad', error.message)
  }
  state.busy = ''
  render()
}

function say(tone, text) {
  state.notice = { tone, text }
  announce(text)
}

/** For those who do not see the screen. */
function announce(text) {
  part('live').textContent = text
}

const actions = {
  go,

  retry() {
    state.notice = null
    return reload()
  },

  ask: () => act('ask', async () => show(await shop.sync(state.order.order_no))),

  change(product, by) {
    const quantity = Math.min(MOST_OF_ONE, Math.max(0, (state.basket.get(product.id) || 0) + by))
    if (quantity) state.basket.set(product.id, quantity)
    else state.basket.delete(product.id)
    render()
    announce(t('basket_count', { n: [...state.basket.values()].reduce((sum, n) => sum + n, 0) }))
  },

  checkout: () =>
    act('checkout', async () => {
      const items = [...state.basket].map(([id, quantity]) => ({ product_id: id, quantity }))
      const order = await shop.createOrder(items)
      state.basket.clear()
      state.order = order
      go(`#/orders/${order.order_no}`)
    }),

  pay: () =>
    act('pay', async () => {
      const before = state.order
      const orderNo = before.order_no
      const { outcome, order, message } = await shop.pay(orderNo)
      if (outcome !== 'paid') state.begun = [before, ...state.begun.filter(other => other.order_no !== orderNo)]
      show(order)
      if (here().orderNo !== orderNo) return announce(message)
      if (outcome === 'paid') announce(message)
      else say(outcome === 'failed' ? 'bad' : 'info', message)
    }),

  /** On with a payment that was begun, in one tap. */
  resume(order) {
    if (state.busy) return
    state.order = order
    go(`#/orders/${order.order_no}`)
    return actions.pay()
  },

  cancel() {
    if (!state.sure) {
      state.sure = true
      return render()
    }
    return act('cancel', async () => {
      state.sure = false
      const order = await shop.close(state.order.order_no)
      if (order.status === 'pending') state.closing.add(order.order_no)
      show(order)
    })
  },

  async switchLanguage() {
    await switchLanguage()
    state.notice = null
    panel.draw()
    render()
  }
}

// --- plays -----------------------------------------------------------------------------------------------------

/** The phone in the hands of a play. */
const phone = {
  scheme(name) {
    if (name) choose(name)
    return state.scheme
  },

  async order() {
    const [product] = state.products || (state.products = await shop.products())
    const order = await shop.createOrder([{ product_id: product.id, quantity: 1 }])
    state.order = order
    go(`#/orders/${order.order_no}`)
  },

  pay: () => actions.pay(),
  look: () => shop.order(state.order.order_no).then(order => (show(order), render(), order)),
  close: () => shop.close(state.order.order_no).then(order => ((state.notice = null), show(order), render())),

  refund() {
    const { token } = wx.getStorageSync('pay.session')
    const url = `${location.origin}/demo/orders/${state.order.order_no}/refunds`
    return new Promise((resolve, reject) => {
      const success = ({ statusCode }) => (statusCode < 300 ? resolve() : reject(new Error(`HTTP ${statusCode}`)))
      const fail = ({ errMsg }) => reject(new Error(errMsg))
      wx.request({ url, method: 'POST', header: { Authorization: `Bearer ${token}` }, success, fail })
    })
  },

  kill() {
    wx.kill()
    Object.assign(state, { killed: true, notice: null })
    render()
  },

  revive() {
    startShop()
    Object.assign(state, { killed: false, busy: '' })
    return reload().then(resume)
  }
}

function choose(name) {
  state.scheme = name
  panel.show()
}

async function play(name) {
  if (state.playing || state.busy) return
  state.playing = name
  panel.show()
  wire.follow()
  await player.play(name)
  state.playing = ''
  if (state.killed) await phone.revive()
  panel.show()
}

function comment(name, note, end = '', values = {}) {
  wire.add({ at: Date.now(), name, note, end, values })
  announce(t(note, values))
}

// --- drawing ---------------------------------------------------------------------------------------------------

const VIEWS = { home: homeView, orders: ordersView, order: orderView }
const panel = new Panel(part('panel'), wire, state, { choose, play }, { simulatorUrl, version })
player = new Player({ simulatorUrl, phone, say: comment })

/** Draws everything anew, and puts the focus back where it was. */
function render() {
  const { view } = here()
  const { title, body, dock } = state.killed ? closedView() : VIEWS[view](state, actions)
  const focused = document.activeElement && document.activeElement.dataset.testid
  put('nav', view === 'home' ? '' : backButton(view), h('h1', {}, title), languageButton())
  put('screen', noticeBox(), h('div', { class: `view ${view}` }, body))
  put('dock', ...dock)
  part('dock').hidden = dock.length === 0
  panel.show()
  faces()
  document.title = `${title} · ${t('shop')}`
  const again = focused && document.querySelector(`[data-testid="${focused}"]`)
  if (again && again !== document.activeElement) again.focus({ preventScroll: true })
}

/** What looks the same stays the same element: a tap that is under way does not lose its button. */
function put(name, ...children) {
  const host = part(name)
  const fresh = host.cloneNode(false)
  fresh.append(...children)
  if (!fresh.isEqualNode(host)) host.replaceChildren(...fresh.childNodes)
}

function backButton(view) {
  const work = () => go(view === 'order' ? '#/orders' : '#/')
  return h('button', { class: 'plain back', type: 'button', 'aria-label': t('back'), 'data-testid': 'back', onclick: work }, icon('back'))
}

function languageButton() {
  const attributes = { class: 'capsule', type: 'button', 'aria-label': t('switch_language'), 'data-testid': 'lang-switch' }
  return h('button', { ...attributes, onclick: actions.switchLanguage }, t('other_language'))
}

function noticeBox() {
  if (!state.notice) return ''
  return h('p', { class: `notice ${state.notice.tone}`, 'data-testid': 'notice' }, state.notice.text)
}

/** On a phone's own screen there is room for one of the two: the shop, or the wire. */
function faces() {
  const shown = document.body.dataset.face
  const face = (name, label) =>
    h('button', { type: 'button', 'aria-pressed': String(shown === name), 'data-testid': `face-${name}`, onclick: () => turn(name) }, label)
  put('faces', face('shop', t('shop_face')), face('wire', t('wire_title')))
}

function turn(name) {
  document.body.dataset.face = name
  faces()
}

/** Once a second: what is left of the time to pay. */
function tick() {
  for (const element of document.querySelectorAll('[data-until]')) element.textContent = timeLeft(element.dataset.until)
}

setInterval(tick, 1000)
window.addEventListener('hashchange', enter)
// A callback can get lost while the page is away, as in life: look again at what is shown.
document.addEventListener('visibilitychange', () => document.hidden || reload().then(resume))

// --- the wire between WeChat and the others -------------------------------------------------------------------------

function heard(exchange) {
  wire.add(...ofExchange(exchange))
  if (exchange.op === 'cashier') wire.explain(exchange.request)
  player.heard(exchange)
}

startShop()
// Nothing is asked before somebody listens: the first login is a message, too.
await listen(`${simulatorUrl}/_sim/exchanges/stream?openid=${openid()}`, { heard, state: up => panel.connected(up) })
await enter()
resume()
