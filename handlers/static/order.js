/** One order with its status, and the list of all of them. Both show what the server said, and no more. */
import { countdown, h, icon, moment, money } from './dom.js'
import { of, t } from './i18n.js'

const MARKS = { pending: 'clock', closing: 'clock', paid: 'check', closed: 'close', partially_refunded: 'reload', refunded: 'reload' }

export function orderView(state, actions) {
  const { order, loading } = state
  if (!order) return { title: t('order'), body: [loading ? waiting() : retry(actions)], dock: [] }
  const status = shownStatus(state, order)
  return {
    title: t('order'),
    body: [statusHead(order, status), itemList(state, order), facts(order), moreActions(status, actions)],
    dock: status === 'pending' ? payBar(state, actions) : []
  }
}

export function ordersView(state, actions) {
  const title = t('my_orders')
  if (!state.orders) return { title, body: [state.loading ? waiting() : retry(actions)], dock: [] }
  if (!state.orders.length) return { title, body: [nothingYet(actions)], dock: [] }
  return { title, body: [resumeOffer(state, actions), ...state.orders.map(order => orderCard(state, order))], dock: [] }
}

/** The user has closed it, in the middle of a payment. */
export function closedView() {
  const body = h('div', { class: 'nothing' }, icon('close'), h('h2', {}, t('closed_app')), h('p', {}, t('closed_app_hint')))
  return { title: t('shop'), body: [body], dock: [] }
}

function shownStatus(state, order) {
  return order.status === 'pending' && state.closing.has(order.order_no) ? 'closing' : order.status
}

function waiting() {
  return h('p', { class: 'waiting' }, h('i', { class: 'spinner' }), t('loading'))
}

export function retry(actions) {
  return h('button', { class: 'wide', type: 'button', 'data-testid': 'retry', onclick: actions.retry }, t('retry'))
}

// --- one order -------------------------------------------------------------------------------------------------

function statusHead(order, status) {
  const hint = status === 'pending' ? { 'data-until': order.expires_at } : {}
  return h(
    'section',
    { class: `order-head ${status}`, 'data-testid': 'order-status', 'data-status': order.status },
    h('span', { class: `mark ${status}` }, icon(MARKS[status])),
    h('h2', {}, t(`status_${status}`)),
    h('p', { class: 'sum' }, money(order.amount_fen)),
    h('p', { class: 'hint', ...hint }, hintOf(order, status))
  )
}

function hintOf(order, status) {
  if (status === 'pending') return timeLeft(order.expires_at)
  return t(status.includes('refunded') ? 'hint_refunded' : `hint_${status}`)
}

/** A payment that was begun and not finished, offered wherever one looks for something to buy or for one's orders. */
export function resumeOffer(state, actions) {
  const order = state.begun.find(one => !state.closing.has(one.order_no) && Date.parse(one.expires_at) > Date.now())
  if (!order || !state.products) return null
  const pay = { class: 'primary', type: 'button', 'data-testid': 'resume', 'aria-disabled': state.busy ? 'true' : null, onclick: () => actions.resume(order) }
  const until = h('small', { 'data-until': order.expires_at }, timeLeft(order.expires_at))
  return h(
    'section',
    { class: 'card resume', 'aria-label': t('resume_title'), 'data-testid': 'resume-offer' },
    h('div', {}, h('b', {}, t('resume_title')), h('span', {}, whatOf(state, order)), until),
    h('button', pay, t('resume'), ' ', money(order.amount_fen))
  )
}

/** 'Caffè latte and 1 more'. */
function whatOf(state, { items: [first, ...others] }) {
  const title = titleOf(state, first)
  return others.length ? t('and_more', { title, more: others.length, count: others.length + 1 }) : title
}

/** How long the order can still be paid, in words. */
export function timeLeft(until) {
  const left = Date.parse(until) - Date.now()
  return left > 0 ? t('hint_pending', { time: countdown(left) }) : t('hint_expired')
}

function itemList(state, order) {
  const rows = order.items.map(item =>
    h(
      'li',
      {},
      thumb(state, item),
      h('span', { class: 'item-title' }, titleOf(state, item), h('small', {}, ` × ${item.quantity}`)),
      money(item.price_fen * item.quantity)
    )
  )
  const sum = h('p', { class: 'total' }, h('span', {}, t('total')), money(order.amount_fen))
  return h('section', { class: 'card', 'aria-label': t('items') }, h('ul', { class: 'items' }, rows), sum)
}

/** Title and price of an order are those of its time; the catalogue of today adds picture and translation. */
function productOf(state, item) {
  return (state.products || []).find(product => product.id === item.product_id)
}

function titleOf(state, item) {
  const product = productOf(state, item)
  return product && product.title === item.title ? of(product, 'title') : item.title
}

function thumb(state, item) {
  const product = productOf(state, item)
  return product ? h('img', { src: product.picture, alt: '', width: 52, height: 52 }) : h('span', { class: 'no-picture' })
}

function facts(order) {
  const rows = [
    [t('order_no'), order.order_no],
    [t('created_at'), moment(order.created_at)],
    [t('paid_at'), moment(order.paid_at)]
  ].filter(([, value]) => value)
  return h('dl', { class: 'card facts' }, rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))
}

function moreActions(status, actions) {
  if (status === 'pending' || status === 'closing') {
    return h('button', { class: 'quiet', type: 'button', 'data-testid': 'ask', onclick: actions.ask }, icon('reload'), t('ask'))
  }
  return h('button', { class: 'wide', type: 'button', 'data-testid': 'to-shop', onclick: () => actions.go('#/') }, t('to_shop'))
}

function payBar({ order, busy, sure }, actions) {
  const resting = busy ? 'true' : null // not `disabled`: that would throw the focus away
  const cancel = { class: sure ? 'second sure' : 'second', type: 'button', 'data-testid': 'cancel', 'aria-disabled': resting }
  const pay = { class: 'primary grow', type: 'button', 'data-testid': 'pay', 'aria-disabled': resting }
  return [
    h('button', { ...cancel, onclick: actions.cancel }, t(sure ? 'cancel_sure' : 'cancel_order')),
    h('button', { ...pay, onclick: actions.pay }, busy === 'pay' ? t('paying') : [t('pay'), ' ', money(order.amount_fen)])
  ]
}

// --- all orders ------------------------------------------------------------------------------------------------

function nothingYet(actions) {
  return h(
    'div',
    { class: 'nothing' },
    icon('list'),
    h('h2', {}, t('no_orders')),
    h('p', {}, t('no_orders_hint')),
    h('button', { class: 'wide', type: 'button', 'data-testid': 'to-shop', onclick: () => actions.go('#/') }, t('to_shop'))
  )
}

function orderCard(state, order) {
  const status = shownStatus(state, order)
  return h(
    'a',
    { class: 'card order-card', href: `#/orders/${order.order_no}`, 'data-testid': `order-${order.order_no}`, 'data-status': order.status },
    h('span', { class: 'thumbs' }, order.items.slice(0, 3).map(item => thumb(state, item))),
    h('span', { class: 'order-what' }, h('b', {}, whatOf(state, order)), h('small', {}, moment(order.created_at))),
    h('span', { class: 'order-sum' }, money(order.amount_fen), h('small', { class: `tag ${status}` }, t(`status_${status}`)))
  )
}
