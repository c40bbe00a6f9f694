/** miniprogram/pay.js against a real HTTP server: `node --test tests/javascript/`. */
'use strict'

const assert = require('node:assert/strict')
const { afterEach, beforeEach, describe, it } = require('node:test')

const { createShop, ShopError } = require('../../miniprogram/pay.js')
const { Phone } = require('./phone.js')
const { TinyServer, refusal } = require('./tiny_server.js')

const ITEMS = [{ product_id: 'latte', quantity: 1 }]
const soon = () => new Promise(resolve => setTimeout(resolve, 5))

let server, phone, clock

function shopOf(options) {
  const all = { wx: phone.wx, baseUrl: server.url, now: () => clock, wait: soon, language: () => 'en' }
  return createShop(Object.assign(all, options))
}

beforeEach(async () => {
  server = await new TinyServer().start()
  phone = new Phone()
  clock = 1700000000000
})

afterEach(() => server.stop())

describe('login', () => {
  it('happens once for many calls at the same time', async () => {
    const shop = shopOf()
    await Promise.all([shop.login(), shop.orders(), shop.orders(), shop.createOrder(ITEMS)])
    assert.equal(phone.codes, 1)
    assert.equal(server.count('POST /api/login'), 1)
  })

  it('keeps the token for the next start of the mini-program', async () => {
    await shopOf().login()
    await shopOf().orders()
    assert.equal(phone.codes, 1)
  })

  it('renews a token that is about to end, before it is used', async () => {
    const shop = shopOf()
    await shop.login()
    clock += 7200 * 1000 - 30 * 1000
    await shop.orders()
    assert.equal(phone.codes, 2)
    assert.equal(server.count('GET /api/orders'), 1)
  })

  it('renews silently, once and together, when the server no longer knows the token', async () => {
    const shop = shopOf()
    const order = await shop.createOrder(ITEMS)
    server.tokens.clear()
    const answers = await Promise.all([shop.order(order.order_no), shop.orders(), shop.orders()])
    assert.equal(answers[0].order_no, order.order_no)
    assert.equal(phone.codes, 2)
  })

  it('does not go round in circles when the server refuses every token', async () => {
    const shop = shopOf()
    await shop.login()
    server.answerWith['GET /api/orders'] = [refusal(401, 'token_invalid'), refusal(401, 'token_invalid')]
    await assert.rejects(shop.orders(), { code: 'token_invalid', status: 401 })
    assert.equal(server.count('GET /api/orders'), 2)
  })

  it('fetches a fresh code when the answer to the first was lost: a code serves once', async () => {
    server.cutAfter['POST /api/login'] = 1
    await shopOf().login()
    assert.deepEqual([...server.usedCodes], ['code1', 'code2'])
  })

  it('says why when wx.login fails', async () => {
    phone.loginFails = true
    await assert.rejects(shopOf().login(), { code: 'login_failed', message: 'WeChat login failed: no network' })
    assert.equal(phone.codes, 1)
  })

  it('does not throw away what a neighbour has just renewed', async () => {
    const shop = shopOf()
    const order = await shop.createOrder(ITEMS)
    server.tokens.clear()
    server.holdBack['GET /api/orders'] = 60 // its refusal arrives when the other request has the new token already
    await Promise.all([shop.orders(), shop.order(order.order_no)])
    assert.equal(phone.codes, 2)
  })

  it('keeps no token that the server has refused', async () => {
    const shop = shopOf()
    await shop.login()
    server.tokens.clear()
    phone.loginFails = true
    await assert.rejects(shop.orders(), { code: 'login_failed' })
    assert.equal(phone.store.size, 0)
  })

  it('works without storage', async () => {
    const refuse = () => {
      throw new Error('storage is full')
    }
    const wx = Object.assign(phone.wx, { getStorageSync: refuse, setStorageSync: refuse, removeStorageSync: refuse })
    assert.deepEqual(await shopOf({ wx }).orders(), [])
  })
})

describe('orders', () => {
  it('lists products without a login', async () => {
    assert.deepEqual(await shopOf().products(), [{ id: 'latte', price_fen: 2800 }])
    assert.equal(phone.codes, 0)
  })

  it('sends products and quantities only, with a key of its own for every order', async () => {
    const shop = shopOf()
    await shop.createOrder(ITEMS)
    await shop.createOrder(ITEMS)
    const sent = server.seen.filter(one => one.path === '/api/orders')
    assert.deepEqual(sent[0].body, { items: ITEMS })
    assert.match(sent[0].headers['idempotency-key'], /^[\x21-\x7e]{16,64}$/)
    assert.notEqual(sent[0].headers['idempotency-key'], sent[1].headers['idempotency-key'])
    assert.equal(server.orders.size, 2)
  })

  it('makes one order when answers get lost', async () => {
    server.cutAfter['POST /api/orders'] = 2
    const order = await shopOf().createOrder(ITEMS)
    assert.equal(order.order_no, 'MP1')
    assert.equal(server.orders.size, 1)
    const keys = server.seen.filter(one => one.path === '/api/orders').map(one => one.headers['idempotency-key'])
    assert.equal(keys.length, 3)
    assert.equal(new Set(keys).size, 1)
  })

  it('keeps the key when the token ends in the middle', async () => {
    const shop = shopOf()
    await shop.login()
    server.tokens.clear()
    await shop.createOrder(ITEMS)
    const keys = server.seen.filter(one => one.path === '/api/orders').map(one => one.headers['idempotency-key'])
    assert.equal(keys.length, 2)
    assert.equal(keys[0], keys[1])
  })

  it('gives up in words when the server does not answer at all', async () => {
    const shop = shopOf()
    server.cutAfter['GET /api/products'] = 3
    await assert.rejects(shop.products(), error => error instanceof ShopError && error.code === 'no_answer' && error.status === 0)
    assert.equal(server.count('GET /api/products'), 3)
  })

  it("throws the server's own words, and repeats no refusal", async () => {
    const expected = { code: 'order_not_found', status: 404, requestId: 'r-1', message: 'said in words: order_not_found' }
    await assert.rejects(shopOf().order('MP404'), expected)
    assert.equal(server.count('GET /api/orders/MP404'), 1)
  })

  it('does not take a page of some proxy for an answer', async () => {
    server.answerWith['GET /api/products'] = [{ status: 200, body: '<html>sign in to the wifi</html>' }]
    await assert.rejects(shopOf().products(), { code: 'bad_answer', status: 200 })
  })

  it('closes an order', async () => {
    const shop = shopOf()
    const { order_no: no } = await shop.createOrder(ITEMS)
    assert.equal((await shop.close(no)).status, 'closed')
  })

  it('has the server ask WeChat', async () => {
    const shop = shopOf()
    const { order_no: no } = await shop.createOrder(ITEMS)
    assert.equal((await shop.sync(no)).order_no, no)
    assert.equal(server.count(`POST /api/orders/${no}/sync`), 1)
  })

  it('asks for messages in the language that is set', async () => {
    await shopOf({ language: () => 'zh' }).products()
    assert.equal(server.seen[0].headers['accept-language'], 'zh')
  })
})

describe('pay', () => {
  let shop, no

  /** What the sheet says, and whether the money really moved before that. */
  function sheet(errMsg, paid = false) {
    phone.atSheet = ({ complete }) => {
      if (paid) server.orders.get(no).status = 'paid'
      if (errMsg) setImmediate(() => complete({ errMsg }))
    }
  }

  beforeEach(async () => {
    shop = shopOf()
    no = (await shop.createOrder(ITEMS)).order_no
  })

  it('hands over exactly what the server signed', async () => {
    sheet('requestPayment:ok', true)
    await shop.pay(no)
    const { complete, ...given } = phone.sheets[0]
    const signed = { timeStamp: '1700000000', nonceStr: 'n', package: `prepay_id=${no}`, signType: 'RSA', paySign: 's' }
    assert.deepEqual(given, signed)
  })

  it('is paid when the server says so', async () => {
    sheet('requestPayment:ok', true)
    const result = await shop.pay(no)
    assert.equal(result.outcome, 'paid')
    assert.equal(result.order.status, 'paid')
    assert.equal(server.count(`POST /api/orders/${no}/sync`), 1)
  })

  it('is pending, not paid, when only the phone says ok', async () => {
    sheet('requestPayment:ok')
    const result = await shop.pay(no)
    assert.equal(result.outcome, 'pending')
    assert.equal(result.order.status, 'pending')
    assert.equal(server.count(`POST /api/orders/${no}/sync`), 4)
  })

  it('is paid when the server learns of it a little after the phone', async () => {
    sheet('requestPayment:ok')
    setTimeout(() => (server.orders.get(no).status = 'paid'), 60)
    shop = shopOf({ wait: () => new Promise(resolve => setTimeout(resolve, 50)) })
    assert.equal((await shop.pay(no)).outcome, 'paid')
  })

  for (const errMsg of ['requestPayment:fail cancel', 'requestPayment:cancel']) {
    it(`is cancelled on ${errMsg}, and can be paid again`, async () => {
      sheet(errMsg)
      assert.equal((await shop.pay(no)).outcome, 'cancelled')
      sheet('requestPayment:ok', true)
      assert.equal((await shop.pay(no)).outcome, 'paid')
    })
  }

  it('is paid when the sheet was closed after the money had moved', async () => {
    sheet('requestPayment:fail cancel', true)
    assert.equal((await shop.pay(no)).outcome, 'paid')
  })

  it("has failed for WeChat's reason, which it tells", async () => {
    sheet('requestPayment:fail 支付验证签名失败')
    const { outcome, message } = await shop.pay(no)
    assert.equal(outcome, 'failed')
    assert.equal(message, 'Not paid: 支付验证签名失败')
  })

  it('has failed when the order was closed under the open sheet', async () => {
    phone.atSheet = ({ complete }) => {
      server.orders.get(no).status = 'closed'
      complete({ errMsg: 'requestPayment:ok' })
    }
    const { outcome, order } = await shop.pay(no)
    assert.equal(outcome, 'failed')
    assert.equal(order.status, 'closed')
  })

  it('has failed when wx.requestPayment throws', async () => {
    phone.atSheet = () => {
      throw new Error('no such function')
    }
    assert.equal((await shop.pay(no)).message, 'Not paid: no such function')
  })

  it('finds out by itself when the callback never comes', async () => {
    sheet(null, true)
    assert.equal((await shop.pay(no)).outcome, 'paid')
  })

  it('goes on waiting for the callback while the order is pending', async () => {
    phone.atSheet = ({ complete }) => setTimeout(() => complete({ errMsg: 'requestPayment:fail cancel' }), 120)
    assert.equal((await shop.pay(no)).outcome, 'cancelled')
    assert.ok(server.count(`POST /api/orders/${no}/sync`) > 3, 'it asked while it waited')
  })

  it('does not know, and says so, when the server cannot be asked', async () => {
    sheet('requestPayment:fail cancel')
    server.cutAfter[`POST /api/orders/${no}/sync`] = 1000
    const { outcome, order, message } = await shop.pay(no)
    assert.equal(outcome, 'pending')
    assert.equal(order, null)
    assert.match(message, /not known yet/)
  })

  it('opens one sheet however often the button is tapped', async () => {
    phone.atSheet = ({ complete }) => setTimeout(() => complete({ errMsg: 'requestPayment:fail cancel' }), 30)
    const first = shop.pay(no)
    await assert.rejects(shop.pay(no), { code: 'payment_in_progress' })
    await first
    assert.equal(phone.sheets.length, 1)
    await shop.pay(no)
    assert.equal(phone.sheets.length, 2)
  })

  it('survives a token that ends between the order and the payment', async () => {
    sheet('requestPayment:ok', true)
    server.tokens.clear()
    assert.equal((await shop.pay(no)).outcome, 'paid')
    assert.equal(phone.codes, 2)
  })

  it('asks for the parameters again when their answer was lost', async () => {
    sheet('requestPayment:ok', true)
    server.answerWith[`POST /api/orders/${no}/pay`] = [refusal(503, 'gateway_uncertain')]
    assert.equal((await shop.pay(no)).outcome, 'paid')
  })

  it('opens no sheet for an order that is paid already', async () => {
    server.orders.get(no).status = 'paid'
    assert.equal((await shop.pay(no)).outcome, 'paid')
    assert.equal(phone.sheets.length, 0)
  })

  it('throws the refusal for an order that is closed, and is free for the next', async () => {
    server.orders.get(no).status = 'closed'
    await assert.rejects(shop.pay(no), { code: 'order_closed', status: 409 })
    const other = (await shop.createOrder(ITEMS)).order_no
    sheet('requestPayment:fail cancel')
    assert.equal((await shop.pay(other)).outcome, 'cancelled')
  })

  it('speaks Chinese', async () => {
    sheet('requestPayment:fail cancel')
    shop = shopOf({ language: () => 'zh' })
    assert.equal((await shop.pay(no)).message, '支付已取消，订单仍可继续支付。')
  })
})
