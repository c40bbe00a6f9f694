const { baseUrl } = require('../../config')
const app = getApp()

Page({
  data: { baseUrl, products: [], quantities: {}, total: 0, message: '' },

  onLoad() {
    this.load()
  },

  async load() {
    try {
      this.setData({ products: await app.shop.products(), message: '' })
    } catch (error) {
      this.setData({ message: error.message })
    }
  },

  /** The total is for the eye; the server counts for itself. */
  change({ currentTarget: { dataset } }) {
    const quantities = Object.assign({}, this.data.quantities)
    quantities[dataset.id] = Math.max(0, (quantities[dataset.id] || 0) + Number(dataset.by))
    const total = this.data.products.reduce((sum, product) => sum + product.price_fen * (quantities[product.id] || 0), 0)
    this.setData({ quantities, total })
  },

  async checkout() {
    if (this.busy) return
    this.busy = true
    const chosen = Object.entries(this.data.quantities).filter(([, quantity]) => quantity > 0)
    try {
      const order = await app.shop.createOrder(chosen.map(([product_id, quantity]) => ({ product_id, quantity })))
      this.setData({ quantities: {}, total: 0, message: '' })
      wx.navigateTo({ url: `/pages/order/order?no=${order.order_no}` })
    } catch (error) {
      this.setData({ message: error.message })
    }
    this.busy = false
  }
})
