const { baseUrl } = require('../../config')
const app = getApp()

Page({
  data: { baseUrl, begun: [], products: [], quantities: {}, total: 0, busy: false, message: '' },

  onLoad() {
    return this.load()
  },

  /** At every start, and when the mini-program comes back to the front: payments whose end was not seen. */
  async onShow() {
    this.setData({ begun: await app.shop.resume() })
  },

  load() {
    return this.attempt(async () => this.setData({ products: await app.shop.products() }))
  },

  /** The total is for the eye; the server counts for itself. */
  change({ currentTarget: { dataset } }) {
    const quantities = Object.assign({}, this.data.quantities)
    quantities[dataset.id] = Math.max(0, (quantities[dataset.id] || 0) + Number(dataset.by))
    const total = this.data.products.reduce((sum, product) => sum + product.price_fen * (quantities[product.id] || 0), 0)
    this.setData({ quantities, total })
  },

  checkout() {
    const chosen = Object.entries(this.data.quantities).filter(([, quantity]) => quantity > 0)
    return this.attempt(async () => {
      const order = await app.shop.createOrder(chosen.map(([product_id, quantity]) => ({ product_id, quantity })))
      this.setData({ quantities: {}, total: 0 })
      wx.navigateTo({ url: `/pages/order/order?no=${order.order_no}` })
    })
  },

  /** One tap at a time; what goes wrong is said in words. */
  async attempt(work) {
    if (this.data.busy) return
    this.setData({ busy: true, message: '' })
    await work().catch(error => this.setData({ message: error.message }))
    this.setData({ busy: false })
  }
})
