/** Logging in, and in again when the server says so. */
'use strict'

const assert = require('node:assert/strict')
const { beforeEach, it } = require('node:test')

const { endSessions, simulator } = require('./stage.js')
const { ITEMS, newcomer } = require('./newcomer.js')

const LOGIN = 'POST /api/login'
const ORDERS = 'GET /api/orders'
let phone, shop, waited

beforeEach(() => {
  ;({ phone, shop, waited } = newcomer())
})

it('logs in once for many calls at the same time', async () => {
  await Promise.all([shop.login(), shop.orders(), shop.orders(), shop.createOrder(ITEMS)])
  assert.deepEqual([phone.codes, phone.count(LOGIN)], [1, 1])
})

it('needs no login to look at the products', async () => {
  const products = await shop.products()
  assert.ok(products.some(product => product.id === 'latte' && product.price_fen === 2800))
  assert.equal(phone.codes, 0)
})

it('keeps the token for the next start', async () => {
  await shop.login()
  const { phone: again, shop: next } = newcomer(phone.home)
  assert.deepEqual(await next.orders(), [])
  assert.equal(again.codes, 0)
})

it('renews silently, once and together, when the token has ended', async () => {
  const { order_no: orderNo } = await shop.createOrder(ITEMS)
  endSessions(phone.home.openid)
  const [order, orders] = await Promise.all([shop.order(orderNo), shop.orders(), shop.orders(), shop.sync(orderNo)])
  assert.deepEqual([order.order_no, orders.length], [orderNo, 1])
  assert.equal(phone.codes, 2)
})

it('does not throw away what a neighbour has just renewed', async () => {
  const { order_no: orderNo } = await shop.createOrder(ITEMS)
  endSessions(phone.home.openid)
  let early
  phone.fate = (line, times) => line === ORDERS && times === 1 && early.then(() => '')
  const late = shop.orders() // leaves with the old token when the other has a new one
  early = shop.order(orderNo)
  assert.equal((await late).length, 1)
  assert.equal(phone.codes, 2)
})

it('takes a second refusal for an error, and does not go round in circles', async () => {
  await shop.login()
  phone.fate = line => line === ORDERS && endSessions(phone.home.openid)
  await assert.rejects(shop.orders(), { code: 'token_expired', status: 401 })
  assert.deepEqual([phone.count(ORDERS), phone.codes], [2, 2])
})

it('fetches a fresh code when the answer to the first is lost: a code serves once', async () => {
  phone.fate = (line, times) => line === LOGIN && times === 1 && 'lose'
  await shop.login()
  assert.equal(phone.codes, 2)
})

it('says so when WeChat refuses the code', async () => {
  await simulator.plan([{ op: 'login', fault: 'error', code: '40029', count: 1 }])
  await assert.rejects(shop.login(), { code: 'code_refused', status: 401 })
  assert.equal(phone.count(LOGIN), 1)
  await shop.login()
})

it('comes again when the login of WeChat is down for a moment', async () => {
  await simulator.plan([{ op: 'login', fault: 'system_error' }])
  phone.fate = (line, times) => line === LOGIN && times === 3 && simulator.clear().then(() => '')
  await shop.login()
  assert.deepEqual([phone.count(LOGIN), waited], [3, [1000, 1500]]) // the server asked for a second
})

it('says why when wx.login fails', async () => {
  phone.loginFails = true
  await assert.rejects(shop.login(), { code: 'login_failed', message: 'WeChat login failed: no network' })
})

it('works without storage', async () => {
  const refuse = () => {
    throw new Error('storage is full')
  }
  const { shop: forgetful } = newcomer(phone.home, { wx: { ...phone.wx, getStorageSync: refuse, setStorageSync: refuse } })
  assert.deepEqual(await forgetful.orders(), [])
  assert.deepEqual(await forgetful.orders(), [])
  assert.equal(phone.codes, 1)
})
