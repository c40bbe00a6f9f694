/** Orders over a network that fails, from a server that is busy: one tap makes one order. */
'use strict'

const assert = require('node:assert/strict')
const { beforeEach, it } = require('node:test')

const { ShopError } = require('../../miniprogram/pay.js')
const { ITEMS, newcomer } = require('./newcomer.js')
const { STARTING_URL } = require('./stage.js')

const ORDER = 'POST /api/orders'
const PRODUCTS = 'GET /api/products'
const PAUSES = [500, 1500, 3000]
const NO_ANSWER = { name: 'ShopError', code: 'no_answer', status: 0, message: /^No answer from the shop/ }
let phone, shop, waited

beforeEach(() => {
  ;({ phone, shop, waited } = newcomer())
})

const keys = () => phone.sent.filter(one => one.line === ORDER).map(one => one.header['Idempotency-Key'])

it('sends products and quantities only, with a key of its own for every order', async () => {
  const first = await shop.createOrder(ITEMS)
  const second = await shop.createOrder(ITEMS)
  assert.deepEqual([first.status, first.amount_fen], ['pending', 2800])
  assert.deepEqual(phone.sent.find(one => one.line === ORDER).data, { items: ITEMS })
  assert.equal(new Set(keys()).size, 2)
  assert.deepEqual((await shop.orders()).map(order => order.order_no), [second.order_no, first.order_no])
})

for (const fate of ['cut', 'lose']) {
  it(`makes one order when the network fails ${fate === 'cut' ? 'before' : 'after'} it is sent`, async () => {
    phone.fate = (line, times) => line === ORDER && times < 3 && fate
    const order = await shop.createOrder(ITEMS)
    assert.deepEqual((await shop.orders()).map(one => one.order_no), [order.order_no])
    assert.deepEqual([keys().length, new Set(keys()).size], [3, 1])
    assert.deepEqual(waited, PAUSES.slice(0, 2))
  })

  it(`gives up in words when it goes on failing, and the next tap makes one order (${fate})`, async () => {
    phone.fate = line => line === ORDER && fate
    await assert.rejects(shop.createOrder(ITEMS), NO_ANSWER)
    assert.deepEqual(waited, PAUSES)
    const { shop: next } = newcomer(phone.home) // the mini-program was closed in the meantime
    const order = await next.createOrder(ITEMS)
    assert.deepEqual((await next.orders()).map(one => one.order_no), [order.order_no])
  })
}

it('makes one order of two taps at once', async () => {
  const [first, second] = await Promise.all([shop.createOrder(ITEMS), shop.createOrder(ITEMS)])
  assert.equal(first.order_no, second.order_no)
  assert.equal((await shop.orders()).length, 1)
})

it('makes another order of another basket, whatever was lost before', async () => {
  phone.fate = (line, times) => line === ORDER && times <= 4 && 'lose'
  await assert.rejects(shop.createOrder(ITEMS), NO_ANSWER)
  const other = await shop.createOrder([{ product_id: 'mug', quantity: 2 }])
  assert.equal(other.items[0].product_id, 'mug')
  assert.equal((await shop.orders()).length, 2)
})

it('does not hand out an order of the past for a lost answer', async () => {
  phone.fate = (line, times) => line === ORDER && times <= 4 && 'lose'
  await assert.rejects(shop.createOrder(ITEMS), NO_ANSWER)
  const [{ order_no: past }] = await shop.orders()
  assert.equal((await shop.close(past)).status, 'closed')
  const order = await shop.createOrder(ITEMS)
  assert.equal(order.status, 'pending')
  assert.notEqual(order.order_no, past)
})

it('comes again while the server is starting', async () => {
  phone.fate = (line, times) => times < 3 && STARTING_URL
  assert.ok((await shop.products()).length > 0)
  assert.deepEqual(waited, [1000, 1500]) // the server asked for a second
})

it('says that the server is starting when that takes long', async () => {
  phone.fate = () => STARTING_URL
  await assert.rejects(shop.products(), { code: 'starting', status: 503, message: /^The shop is just starting/ })
  assert.equal(phone.count(PRODUCTS), 4)
})

it('waits as long as the server asks who asks too often', async () => {
  const wait = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds, waited.push(milliseconds)))
  const { shop: hasty } = newcomer(phone.home, { wait })
  await hasty.login()
  await Promise.all(Array.from({ length: 32 }, () => hasty.orders())) // one every two seconds after the first thirty
  assert.ok(waited.length > 0 && waited.every(pause => pause >= 1000), waited)
})

it('tells who would have to wait for long', async () => {
  const { order_no: orderNo } = await shop.createOrder(ITEMS)
  const taps = Array.from({ length: 5 }, () => shop.close(orderNo))
  const refused = (await Promise.allSettled(taps)).map(tap => tap.reason).filter(Boolean)
  assert.deepEqual(refused.map(error => [error.code, error.status]), [['too_many_requests', 429]])
  assert.match(refused[0].message, /try again in 1\d s/)
  assert.deepEqual(waited, [])
})

it("throws the server's own words, and repeats no refusal", async () => {
  const error = await shop.order('MP00000000').catch(reason => reason)
  assert.ok(error instanceof ShopError)
  assert.deepEqual([error.code, error.status, error.message], ['order_not_found', 404, 'You have no such order'])
  assert.match(error.requestId, /^\w+/)
  assert.equal(phone.count('GET /api/orders/:no'), 1)
})

it('asks for words in the language that is set', async () => {
  const { shop: chinese } = newcomer(phone.home, { language: () => 'zh' })
  await assert.rejects(chinese.order('MP00000000'), { message: '订单不存在' })
})

it('does not take a page of some proxy for an answer', async () => {
  const page = ({ success }) => success({ statusCode: 200, data: '<html>sign in to the wifi</html>' })
  const { shop: caught } = newcomer(phone.home, { wx: { ...phone.wx, request: page } })
  await assert.rejects(caught.products(), { code: 'bad_answer', status: 200 })
})

it("comes again after a proxy's own page", async () => {
  let pages = 0
  const page = { statusCode: 502, data: '<html>bad gateway</html>', header: {} }
  const request = options => (pages++ < 2 ? options.success(page) : phone.wx.request(options))
  const { shop: behind } = newcomer(phone.home, { wx: { ...phone.wx, request } })
  assert.ok((await behind.products()).length > 0)
})
