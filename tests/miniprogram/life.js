/** One life of the mini-program: orders and pays, until it stands still at the moment that it was told, to be killed. */
'use strict'

const { newcomer, ITEMS } = require('./newcomer.js')
const { simulator } = require('./stage.js')

const [openid, file, moment] = process.argv.slice(2)
const { phone, shop } = newcomer({ openid, file })

/** Says that the moment is here, and stays in it. */
function stand() {
  process.stdout.write('here\n')
  setInterval(() => {}, 1000)
}

phone.fate = line => line === moment && 'hold'
phone.onHold = stand
phone.atSheet = async parameters => {
  if (moment === 'sheet open') return stand()
  await simulator.pay(parameters)
  return moment === 'sheet paid' ? stand() : 'requestPayment:ok'
}
shop
  .login()
  .then(() => shop.createOrder(ITEMS))
  .then(order => shop.pay(order.order_no))
