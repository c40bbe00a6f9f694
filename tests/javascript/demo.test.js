/** The demo mini-program: its pages in a runtime of a few lines, over a real HTTP server. */
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { afterEach, beforeEach, describe, it } = require('node:test')
const vm = require('node:vm')

const { Phone } = require('./phone.js')
const { TinyServer } = require('./tiny_server.js')

const ROOT = path.join(__dirname, '..', '..', 'miniprogram')

/** What WeChat's runtime gives a file: `wx`, `App`, `Page`, `getApp`, and CommonJS by path. */
class Runtime {
  constructor(phone, config) {
    this.visited = []
    this.wx = Object.assign(phone.wx, { navigateTo: ({ url }) => this.visited.push(url) })
    this.modules = new Map([[path.join(ROOT, 'config.js'), config]])
  }

  load(file) {
    if (this.modules.has(file)) return this.modules.get(file)
    const module = { exports: {} }
    const names = {
      wx: this.wx,
      module,
      require: name => this.load(path.join(path.dirname(file), `${name}.js`)),
      App: app => (this.app = app),
      Page: page => (this.page = page),
      getApp: () => this.app,
      setTimeout: (work, delay) => setTimeout(work, Math.min(delay, 5))
    }
    vm.runInNewContext(fs.readFileSync(file, 'utf8'), names, { filename: file })
    this.modules.set(file, module.exports)
    return module.exports
  }

  launch() {
    this.load(path.join(ROOT, 'app.js'))
    this.app.onLaunch()
  }

  open(page) {
    this.load(path.join(ROOT, 'pages', page, `${page}.js`))
    this.page.setData = data => Object.assign(this.page.data, data)
    return this.page
  }
}

let server, phone, runtime

beforeEach(async () => {
  server = await new TinyServer().start()
  phone = new Phone()
  runtime = new Runtime(phone, { baseUrl: server.url, simulatorUrl: '' })
  runtime.launch()
})

afterEach(() => server.stop())

const tap = (id, by) => ({ currentTarget: { dataset: { id, by } } })

describe('the demo mini-program', () => {
  it('names only pages and files that exist', () => {
    const { pages } = JSON.parse(fs.readFileSync(path.join(ROOT, 'app.json'), 'utf8'))
    for (const page of pages) {
      for (const kind of ['js', 'json', 'wxml', 'wxss']) assert.ok(fs.existsSync(path.join(ROOT, `${page}.${kind}`)))
    }
    assert.equal(JSON.parse(fs.readFileSync(path.join(ROOT, 'project.config.json'), 'utf8')).appid, 'touristappid')
  })

  it('fills a basket, makes an order and pays it', async () => {
    const index = runtime.open('index')
    await index.load()
    for (const by of [1, 1, -1]) index.change(tap('latte', by))
    assert.equal(index.data.total, 2800)
    await index.checkout()
    assert.deepEqual(runtime.visited, ['/pages/order/order?no=MP1'])
    assert.equal(index.data.total, 0)

    const page = runtime.open('order')
    page.onLoad({ no: 'MP1' })
    await page.onShow()
    assert.equal(page.data.status, '待支付')
    phone.atSheet = ({ complete }) => {
      server.orders.get('MP1').status = 'paid'
      complete({ errMsg: 'requestPayment:ok' })
    }
    await page.pay()
    assert.equal(page.data.status, '已支付')
    assert.equal(page.data.message, '支付成功。')
  })

  it('shows an error in words', async () => {
    const page = runtime.open('order')
    page.onLoad({ no: 'MP404' })
    await page.onShow()
    assert.equal(page.data.message, 'said in words: order_not_found')
  })
})

describe('simulated.js', () => {
  const { simulated } = require('../../miniprogram/simulated.js')
  let asked, wx

  beforeEach(() => {
    asked = []
    const request = ({ url, data, success }) => {
      asked.push({ url, data })
      success({ data: url.endsWith('login') ? { code: 'c' } : { errMsg: 'requestPayment:ok' } })
    }
    wx = Object.assign(phone.wx, { request, showModal: ({ success }) => success({ confirm: wx.confirm }) })
  })

  it('logs the same person in every time', () => {
    const codes = []
    for (let i = 0; i < 2; i++) simulated(wx, 'http://sim').login({ success: ({ code }) => codes.push(code) })
    assert.deepEqual(codes, ['c', 'c'])
    assert.equal(asked[0].url, 'http://sim/_sim/login')
    assert.equal(asked[0].data.openid, asked[1].data.openid)
  })

  for (const [confirm, outcome] of [[true, 'ok'], [false, 'cancel']]) {
    it(`passes on ${outcome}`, () => {
      wx.confirm = confirm
      const given = { timeStamp: '1', nonceStr: 'n', package: 'prepay_id=p', signType: 'MD5', paySign: 's' }
      const heard = []
      simulated(wx, 'http://sim').requestPayment(Object.assign({ complete: said => heard.push(said) }, given))
      assert.deepEqual(asked[0].data, Object.assign({ outcome }, given))
      assert.deepEqual(heard, [{ errMsg: 'requestPayment:ok' }])
    })
  }
})
