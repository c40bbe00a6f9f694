/** The demo mini-program: its files fit together, and its pages work, in a runtime of a few lines, with simulated.js. */
'use strict'

const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { beforeEach, it } = require('node:test')
const vm = require('node:vm')

const { Phone } = require('./phone.js')
const { SHOP_URL, SIMULATOR_URL, simulator } = require('./stage.js')

const ROOT = path.join(__dirname, '..', '..', 'miniprogram')
const QUICKER = 50
const read = name => fs.readFileSync(path.join(ROOT, name), 'utf8')
const APP = JSON.parse(read('app.json'))

/** What WeChat's runtime gives a file: `wx`, `App`, `Page`, `getApp`, and CommonJS by path. */
class Runtime {
  constructor(phone) {
    this.visited = []
    this.pages = new Map()
    this.confirm = true // the answer to every question
    const showModal = ({ success }) => success({ confirm: this.confirm })
    this.wx = { ...phone.wx, showModal, navigateTo: ({ url }) => this.visited.push(url) }
    this.modules = new Map([[path.join(ROOT, 'config.js'), { baseUrl: SHOP_URL, simulatorUrl: SIMULATOR_URL }]])
    this.load(path.join(ROOT, 'app.js'))
    this.app.onLaunch()
  }

  load(file) {
    if (this.modules.has(file)) return this.modules.get(file)
    const module = { exports: {} }
    const names = {
      wx: this.wx,
      module,
      require: name => this.load(path.join(path.dirname(file), `${name}.js`)),
      App: app => (this.app = app),
      Page: page => this.pages.set(file, page),
      getApp: () => this.app,
      setTimeout: (work, delay) => setTimeout(work, delay / QUICKER)
    }
    vm.runInNewContext(fs.readFileSync(file, 'utf8'), names, { filename: file })
    this.modules.set(file, module.exports)
    return module.exports
  }

  /** What the file of a page has given to `Page`. */
  pageOf(name) {
    const file = path.join(ROOT, `${name}.js`)
    this.load(file)
    return this.pages.get(file)
  }

  /** The page behind an address, opened as WeChat does it. */
  async open(address) {
    const { pathname, searchParams } = new URL(address, 'wx://app')
    const page = Object.create(this.pageOf(pathname))
    page.data = plain(page.data)
    page.setData = data => Object.assign(page.data, plain(data))
    await page.onLoad(Object.fromEntries(searchParams))
    await page.onShow()
    return page
  }
}

/** What can be handed to a view. */
const plain = data => JSON.parse(JSON.stringify(data))

let phone, runtime

beforeEach(() => {
  phone = new Phone()
  runtime = new Runtime(phone)
})

const tap = (id, by) => ({ currentTarget: { dataset: { id, by } } })

async function buy(id) {
  const index = await runtime.open('/pages/index/index')
  index.change(tap(id, 1))
  await index.checkout()
  assert.equal(index.data.message, '')
  return runtime.open(runtime.visited.pop())
}

// --- the files fit together ------------------------------------------------------------------------------------

it('opens in the developer tools with a test appid', () => {
  const project = JSON.parse(read('project.config.json'))
  assert.deepEqual([project.appid, project.compileType], ['touristappid', 'miniprogram'])
  for (const { value } of project.packOptions.ignore) read(value)
  assert.deepEqual(JSON.parse(read(APP.sitemapLocation)).rules, [{ action: 'disallow', page: '*' }])
})

const FILES = fs.readdirSync(ROOT, { recursive: true }).map(file => file.split(path.sep).join('/'))
const NEWER = [
  /\?\?|\?\.[^\d]|[&|]{2}=/, // ES2020, ES2021: ?? ?. &&= ||=
  /\bcatch\s*\{/, // ES2019
  /^\s*(?:static\s+)?#\w|\bthis\.#|^ {2}\w+ = /m, // ES2022: fields of a class
  /^(?:import|export|await)\b/m, // modules: the tools take CommonJS
  /\b\d+n\b|\b\d+_\d/, // ES2020, ES2021: numbers
  /\.(?:flat|flatMap|trimStart|trimEnd|matchAll|replaceAll|at|findLast|findLastIndex|toSorted|toReversed)\(/,
  /\b(?:Object\.(?:fromEntries|hasOwn)|Promise\.(?:allSettled|any)|structuredClone|globalThis|WeakRef|BigInt)\b/
]

/** Without comments and texts. */
const code = text => text.replace(/\/\*[^]*?\*\/|(^|\s)\/\/.*|'(?:\\.|[^'\\\n])*'/g, '$1')

it('has the four files of every page, and no other page', () => {
  const wanted = APP.pages.flatMap(name => ['js', 'json', 'wxml', 'wxss'].map(end => `${name}.${end}`))
  assert.deepEqual(FILES.filter(file => /^pages\/.*\./.test(file)).sort(), wanted.sort())
  const known = ['pages', 'sitemapLocation', 'style', 'window']
  assert.deepEqual(Object.keys(APP).sort(), known)
  for (const file of FILES.filter(file => file.endsWith('.wxss'))) {
    assert.equal(read(file).split('{').length, read(file).split('}').length, file)
  }
})

it('is written in nothing newer than ES2018, and what runs in the view in ES5', () => {
  for (const file of FILES.filter(file => file.endsWith('.js'))) {
    for (const pattern of NEWER) assert.doesNotMatch(code(read(file)), pattern, file)
  }
  for (const file of FILES.filter(file => file.endsWith('.wxs'))) {
    assert.doesNotMatch(code(read(file)), /=>|`|\b(?:let|const|class|async|of)\b|\.\.\./, file)
  }
  const caught = ['a ?? b', 'a?.b', 'try {} catch {}', 'x ||= 1', 'list.flat()', 'export default 1', 'Object.fromEntries(x)']
  for (const text of caught) assert.ok(NEWER.some(pattern => pattern.test(code(text))), text)
})

for (const name of APP.pages) {
  it(`${name}: what the view names is there`, async () => {
    const view = read(`${name}.wxml`)
    const every = pattern => [...view.matchAll(pattern)].map(match => match[1])
    const page = runtime.pageOf(name)

    for (const handler of every(/\b(?:bind|catch):?\w+="(\w+)"/g)) assert.equal(typeof page[handler], 'function', handler)
    for (const file of every(/ src="([^{"]+)"/g)) read(path.join(path.dirname(name), file))
    for (const url of every(/ url="\/([\w/]+)/g)) assert.ok(APP.pages.includes(url), url)
    const known = new Set([...Object.keys(page.data), ...every(/<wxs [^>]*module="(\w+)"/g), 'item', 'index'])
    for (const used of every(/\{\{\s*([A-Za-z]\w*)/g)) assert.ok(known.has(used), used)
    const styles = read('app.wxss') + read(`${name}.wxss`)
    for (const style of every(/ class="([\w ]+)"/g).join(' ').split(' ')) assert.match(styles, new RegExp(`\\.${style}\\b`))
    JSON.parse(read(`${name}.json`))
  })

  it(`${name}: every tag is closed`, () => {
    const open = []
    for (const [, end, tag, alone] of read(`${name}.wxml`).matchAll(/<(\/?)([\w-]+)(?:"[^"]*"|[^">])*?(\/?)>/g)) {
      if (end) assert.equal(open.pop(), tag)
      else if (!alone) open.push(tag)
    }
    assert.deepEqual(open, [])
  })
}

it('writes money and states in words', () => {
  const module = { exports: {} }
  vm.runInNewContext(read('words.wxs'), { module })
  assert.deepEqual([0, 5, 100, 123456].map(module.exports.yuan), ['¥0.00', '¥0.05', '¥1.00', '¥1234.56'])
  assert.equal(module.exports.status('pending'), '待支付')
})

// --- the pages work --------------------------------------------------------------------------------------------

it('fills a basket, makes an order and pays it', async () => {
  const index = await runtime.open('/pages/index/index')
  for (const by of [1, 1, -1, -1, -1, 1]) index.change(tap('latte', by))
  assert.equal(index.data.total, 2800)
  await Promise.all([index.checkout(), index.checkout()])
  assert.deepEqual([runtime.visited.length, index.data.total, index.data.busy], [1, 0, false])

  const page = await runtime.open(runtime.visited[0])
  assert.equal(page.data.order.status, 'pending')
  await page.pay()
  assert.deepEqual([page.data.order.status, page.data.message, page.data.paying], ['paid', '支付成功。', false])
  assert.equal((await simulator.payments(phone.stored()['simulated.openid'])).length, 1)
})

it('offers an order again whose payment was cancelled, until it is closed', async () => {
  runtime.confirm = false
  const page = await buy('mug')
  await page.pay()
  assert.deepEqual([page.data.order.status, page.data.message], ['pending', '支付已取消，订单仍可继续支付。'])
  const index = await runtime.open('/pages/index/index')
  assert.deepEqual(index.data.begun.map(order => order.order_no), [page.no])
  await page.close()
  assert.equal(page.data.order.status, 'closed')
  await index.onShow()
  assert.deepEqual(index.data.begun, [])
})

it('shows at the next start what was paid when the callback got lost', async () => {
  const page = await buy('mug')
  phone.fate = line => line === 'POST /_sim/pay' && 'hold'
  let here
  const held = new Promise(resolve => (here = resolve))
  phone.onHold = here
  page.pay() // never to be heard of: the mini-program ends
  await held
  runtime = new Runtime(new Phone(phone.home))
  const index = await runtime.open('/pages/index/index')
  assert.deepEqual(index.data.begun.map(order => [order.order_no, order.status]), [[page.no, 'paid']])
})

it('shows an error in words, and comes again at a tap', async () => {
  phone.fate = () => 'cut'
  const index = await runtime.open('/pages/index/index')
  assert.equal(index.data.message, '商家没有响应，请检查网络后重试。')
  phone.fate = () => ''
  await index.load()
  assert.deepEqual([index.data.message, index.data.products.length > 0], ['', true])
  const page = await runtime.open('/pages/order/order?no=MP00000000')
  assert.equal(page.data.message, '订单不存在')
})
