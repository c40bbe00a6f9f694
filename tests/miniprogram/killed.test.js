/** The process is killed in the middle, a real one with SIGKILL, and started again: one order, one payment. */
'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const path = require('node:path')
const { it } = require('node:test')

const { ITEMS, newcomer } = require('./newcomer.js')
const { simulator } = require('./stage.js')

const MOMENTS = {
  'POST /api/orders': [], // the order is made, its answer is under way: nobody had tapped "pay"
  'POST /api/orders/:no/pay': ['pending'],
  'sheet open': ['pending'],
  'sheet paid': ['paid'], // no callback comes any more
  'POST /api/orders/:no/sync': ['paid'] // WeChat's client said ok, the server was asked
}

async function liveUntil(moment, { openid, file }) {
  const child = spawn(process.execPath, [path.join(__dirname, 'life.js'), openid, file, moment], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => assert.fail('it ended by itself'))])
  child.kill('SIGKILL')
  await once(child, 'exit')
}

for (const [moment, expected] of Object.entries(MOMENTS)) {
  it(`at: ${moment}`, async () => {
    const { home } = newcomer().phone
    await liveUntil(moment, home)
    const { phone, shop } = newcomer(home)
    const begun = await shop.resume()
    assert.deepEqual(begun.map(order => order.status), expected)
    const { order_no: orderNo } = begun[0] || (await shop.createOrder(ITEMS))
    assert.equal((await shop.pay(orderNo)).outcome, 'paid')
    assert.equal(phone.sheets.length, expected[0] === 'paid' ? 0 : 1)
    assert.deepEqual((await shop.orders()).map(order => [order.order_no, order.status]), [[orderNo, 'paid']])
    assert.equal((await simulator.payments(home.openid)).length, 1)
    assert.equal(phone.codes, 0)
  })
}
