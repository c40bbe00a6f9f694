/** Somebody who comes into the shop: a phone, and pay.js on it as a mini-program has it. */
'use strict'

const { createShop } = require('../../miniprogram/pay.js')
const { Phone } = require('./phone.js')
const { SHOP_URL } = require('./stage.js')

const ITEMS = [{ product_id: 'latte', quantity: 1 }]
const QUICKER = 200 // how much less is waited than in life

/** The one who has `home`, or somebody new; `waited` is what pay.js wanted to wait, in ms. */
function newcomer(home, options) {
  const phone = new Phone(home)
  const waited = []
  const wait = milliseconds => {
    waited.push(milliseconds)
    return new Promise(resolve => setTimeout(resolve, milliseconds / QUICKER))
  }
  const given = { wx: phone.wx, baseUrl: SHOP_URL, wait, language: () => 'en' }
  return { phone, waited, shop: createShop({ ...given, ...options }) }
}

module.exports = { ITEMS, newcomer }
