/** wx.requestPayment and everything it can come to. The server has the last word. */
'use strict'

const assert = require('node:assert/strict')
const { beforeEach, it } = require('node:test')

const { ITEMS, newcomer } = require('./newcomer.js')
const { endSessions, simulator } = require('./stage.js')

const PAY = 'POST /api/orders/:no/pay'
const SYNC = 'POST /api/orders/:no/sync'
const CANCEL = 'requestPayment:fail cancel'
const OK = 'requestPayment:ok'
let no, phone, shop

beforeEach(async () => {
  ;({ phone, shop } = newcomer())
  no = (await shop.createOrder(ITEMS)).order_no
})

/** The money moves at WeChat, whatever the phone is told of it. */
const pays = errMsg => async parameters => {
  assert.equal(await simulator.pay(parameters), OK)
  return errMsg
}
const says = errMsg => () => errMsg

/** The result is this, the server says the same, and WeChat was paid so often. */
async function cameTo(result, outcome, status, payments) {
  assert.equal(result.outcome, outcome, result.message)
  assert.equal(result.order && result.order.order_no, no)
  assert.equal(result.order.status, status)
  assert.equal((await shop.order(no)).status, status)
  assert.equal((await simulator.payments(phone.home.openid)).length, payments)
}

it('is paid when the server says so', async () => {
  const result = await shop.pay(no)
  await cameTo(result, 'paid', 'paid', 1)
  assert.deepEqual([result.message, phone.count(SYNC)], ['Paid.', 1])
  assert.deepEqual(Object.keys(phone.sheets[0]).sort(), ['nonceStr', 'package', 'paySign', 'signType', 'timeStamp'])
  assert.deepEqual(await shop.resume(), [])
})

it('is pending when the phone says ok and nobody has paid yet; the next look finds it', async () => {
  phone.atSheet = says(OK)
  const result = await shop.pay(no)
  await cameTo(result, 'pending', 'pending', 0)
  assert.equal(phone.count(SYNC), 4)
  assert.equal(await simulator.pay(phone.sheets[0]), OK)
  assert.deepEqual((await shop.resume()).map(order => [order.order_no, order.status]), [[no, 'paid']])
  assert.deepEqual(await shop.resume(), [])
})

it('is paid when WeChat is a little slower than the phone', async () => {
  phone.atSheet = says(OK)
  phone.fate = (line, times) => line === SYNC && times === 3 && simulator.pay(phone.sheets[0]).then(() => '')
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

for (const errMsg of [CANCEL, 'requestPayment:cancel']) {
  it(`is cancelled on ${errMsg}, offered again, and paid with the same prepay_id`, async () => {
    phone.atSheet = says(errMsg)
    await cameTo(await shop.pay(no), 'cancelled', 'pending', 0)
    assert.equal(phone.count(SYNC), 1)
    await cameTo(await shop.pay(no), 'cancelled', 'pending', 0)
    assert.deepEqual((await shop.resume()).map(order => [order.order_no, order.status]), [[no, 'pending']])
    phone.atSheet = parameters => simulator.pay(parameters)
    await cameTo(await shop.pay(no), 'paid', 'paid', 1)
    assert.equal(phone.sheets[0].package, phone.sheets[1].package)
  })
}

it('is paid when the sheet was closed after the money had moved', async () => {
  phone.atSheet = pays(CANCEL)
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it("has failed for WeChat's reason, which it tells; another card pays", async () => {
  phone.atSheet = parameters => simulator.pay(parameters, 'fail')
  const result = await shop.pay(no)
  await cameTo(result, 'failed', 'pending', 0)
  assert.equal(result.message, 'Not paid: 支付失败，请更换支付方式')
  phone.atSheet = parameters => simulator.pay(parameters)
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('is paid when WeChat says fail because another phone of the same user was faster', async () => {
  phone.atSheet = async parameters => {
    assert.equal((await newcomer(phone.home).shop.pay(no)).outcome, 'paid')
    const errMsg = await simulator.pay(parameters)
    assert.equal(errMsg, 'requestPayment:fail 该订单已支付')
    return errMsg
  }
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('has failed when what was signed was changed on its way', async () => {
  phone.atSheet = parameters => simulator.pay({ ...parameters, nonceStr: 'another' })
  const result = await shop.pay(no)
  await cameTo(result, 'failed', 'pending', 0)
  assert.equal(result.message, 'Not paid: 支付验证签名失败')
})

it('has failed when the order was closed under the open sheet', async () => {
  phone.atSheet = async () => {
    await shop.close(no)
    return OK
  }
  const result = await shop.pay(no)
  await cameTo(result, 'failed', 'closed', 0)
  assert.match(result.message, /order is closed/)
})

it('has failed when wx.requestPayment throws', async () => {
  const requestPayment = () => {
    throw new Error('no such function')
  }
  const { shop: odd } = newcomer(phone.home, { wx: { ...phone.wx, requestPayment } })
  assert.equal((await odd.pay(no)).message, 'Not paid: no such function')
})

it('finds out by itself when the callback never comes', async () => {
  phone.atSheet = pays('')
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
  assert.equal(phone.count(SYNC), 1)
})

it('goes on waiting for the callback when the server cannot be asked meanwhile', async () => {
  phone.atSheet = pays('')
  phone.fate = (line, times) => line === SYNC && times === 1 && 'cut'
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('does not wait for ever for a callback; the user may tap again', async () => {
  phone.atSheet = says('')
  await cameTo(await shop.pay(no), 'pending', 'pending', 0)
  assert.equal(phone.count(SYNC), 15)
  phone.atSheet = parameters => simulator.pay(parameters)
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('hears a callback that comes late, while it asks', async () => {
  let heard
  phone.atSheet = () => new Promise(resolve => (heard = resolve))
  phone.fate = (line, times) => line === SYNC && times === 2 && void heard(CANCEL)
  await cameTo(await shop.pay(no), 'cancelled', 'pending', 0)
})

it('opens no sheet when the network is away, and says so', async () => {
  phone.fate = () => 'cut'
  await assert.rejects(shop.pay(no), { code: 'no_answer' })
  assert.deepEqual(phone.sheets, [])
  phone.fate = () => ''
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('pays once when the answer with the parameters is lost', async () => {
  phone.fate = (line, times) => line === PAY && times < 3 && 'lose'
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
  assert.equal(phone.sheets.length, 1)
})

for (const [errMsg, status] of [[OK, 'paid'], [CANCEL, 'pending']]) {
  it(`does not know when the network goes away behind the sheet; the next look does: ${status}`, async () => {
    phone.atSheet = errMsg === OK ? pays(OK) : says(CANCEL)
    phone.fate = line => line === SYNC && 'cut'
    const result = await shop.pay(no)
    assert.deepEqual([result.outcome, result.order], ['unknown', null])
    assert.match(result.message, /not known yet/)
    assert.deepEqual(await shop.resume(), [])
    phone.fate = () => ''
    assert.deepEqual((await newcomer(phone.home).shop.resume()).map(order => order.status), [status])
  })
}

it('opens one sheet however often the button is tapped', async () => {
  const [first, second] = await Promise.all([shop.pay(no), shop.pay(no)])
  await cameTo(first, 'paid', 'paid', 1)
  assert.equal(second, first)
  assert.equal(phone.sheets.length, 1)
})

it('lets another order wait until the sheet is closed, and is not disturbed by onShow', async () => {
  const { order_no: other } = await shop.createOrder(ITEMS)
  phone.atSheet = async parameters => {
    await assert.rejects(shop.pay(other), { code: 'payment_in_progress' })
    assert.deepEqual(await shop.resume(), [])
    return simulator.pay(parameters)
  }
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
  phone.atSheet = parameters => simulator.pay(parameters)
  assert.equal((await shop.pay(other)).outcome, 'paid')
})

it('survives a token that ends before the sheet, and one that ends behind it', async () => {
  endSessions(phone.home.openid)
  phone.atSheet = parameters => {
    endSessions(phone.home.openid)
    return simulator.pay(parameters)
  }
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
  assert.equal(phone.codes, 3)
})

it('opens no sheet for an order that is paid already', async () => {
  await newcomer(phone.home).shop.pay(no)
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
  assert.deepEqual(phone.sheets, [])
})

it('throws the refusal for an order that is closed, and is free for the next', async () => {
  await shop.close(no)
  await assert.rejects(shop.pay(no), { code: 'order_closed', status: 409 })
  no = (await shop.createOrder(ITEMS)).order_no
  await cameTo(await shop.pay(no), 'paid', 'paid', 1)
})

it('does not come again when WeChat will not have the order: the shop must look at it', async () => {
  await simulator.plan([{ op: 'v3.prepay', fault: 'error', status: 403, code: 'NO_AUTH' }])
  await assert.rejects(shop.pay(no), { code: 'gateway_refused', status: 502 })
  await simulator.clear()
  assert.equal(phone.count(PAY), 1)
})

it('forgets a payment of somebody else who was logged in here before', async () => {
  phone.atSheet = says(CANCEL)
  await shop.pay(no)
  const { phone: other } = newcomer()
  endSessions(phone.home.openid)
  const { phone: next, shop: theirs } = newcomer({ openid: other.home.openid, file: phone.home.file })
  assert.deepEqual(await theirs.resume(), [])
  assert.deepEqual(await theirs.resume(), [])
  assert.equal(next.count(SYNC), 2) // with the ended token, and with their own
})

it('speaks Chinese', async () => {
  const { shop: chinese } = newcomer(phone.home, { language: () => 'zh' })
  assert.equal((await chinese.pay(no)).message, '支付成功。')
})
