/** The counter: products with a stepper each, and the basket below. */
import { h, icon, money } from './dom.js'
import { of, t } from './i18n.js'
import { resumeOffer, retry } from './order.js'

export function homeView(state, actions) {
  return { title: t('shop'), body: [hero(actions), resumeOffer(state, actions), counter(state, actions)], dock: basketBar(state, actions) }
}

function hero(actions) {
  const orders = { class: 'pill', type: 'button', 'data-testid': 'my-orders', onclick: () => actions.go('#/orders') }
  return h(
    'section',
    { class: 'hero' },
    h('div', {}, h('p', { class: 'hero-name' }, t('shop')), h('p', { class: 'hero-line' }, t('tagline'))),
    h('button', orders, icon('list'), t('my_orders'))
  )
}

function counter(state, actions) {
  if (!state.products) return state.loading ? skeletons() : retry(actions)
  const cards = state.products.map(product => card(product, state.basket.get(product.id) || 0, actions))
  return h('section', { 'aria-labelledby': 'menu' }, h('h2', { id: 'menu', class: 'section' }, t('menu')), h('div', { class: 'counter' }, cards))
}

function skeletons() {
  return h('div', { class: 'counter ghosts', 'aria-label': t('loading') }, Array.from({ length: 6 }, () => h('div', { class: 'product ghost' })))
}

function card(product, quantity, actions) {
  return h(
    'article',
    { class: 'product', 'data-testid': `product-${product.id}` },
    h('img', { src: product.picture, alt: '', width: 160, height: 160, decoding: 'async' }),
    h('h3', {}, of(product, 'title')),
    h('p', { class: 'about' }, of(product, 'description')),
    h('div', { class: 'price-row' }, money(product.price_fen), stepper(product, quantity, actions))
  )
}

function stepper(product, quantity, actions) {
  const title = of(product, 'title')
  const button = (kind, shape, by) =>
    h(
      'button',
      {
        class: `step ${kind}`,
        type: 'button',
        'aria-label': t(kind, { title }),
        'data-testid': `${kind}-${product.id}`,
        onclick: () => actions.change(product, by)
      },
      icon(shape)
    )
  if (!quantity) return h('div', { class: 'stepper' }, button('add', 'plus', 1))
  const count = h('span', { class: 'count', 'aria-label': t('quantity', { title, n: quantity }), role: 'img' }, String(quantity))
  return h('div', { class: 'stepper' }, button('remove', 'minus', -1), count, button('add', 'plus', 1))
}

/** The total is for the eye: the server prices the order by itself. */
function basketBar({ products, basket, busy }, actions) {
  const chosen = (products || []).filter(product => basket.has(product.id))
  const count = chosen.reduce((sum, product) => sum + basket.get(product.id), 0)
  const total = chosen.reduce((sum, product) => sum + basket.get(product.id) * product.price_fen, 0)
  const bag = h('span', { class: count ? 'bag full' : 'bag', role: 'img', 'aria-label': `${t('basket')}: ${count}` }, icon('bag'), count ? h('b', {}, String(count)) : null)
  const sum = count ? h('span', { class: 'dock-sum', 'data-testid': 'basket-total' }, money(total)) : h('span', { class: 'dock-empty' }, t('basket_empty'))
  const attributes = { class: 'primary', type: 'button', 'data-testid': 'checkout', disabled: !count || Boolean(busy) }
  return [bag, sum, h('button', { ...attributes, onclick: actions.checkout }, t('checkout'))]
}
