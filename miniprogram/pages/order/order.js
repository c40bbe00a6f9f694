const app = getApp()

const STATUS = { pending: '待支付', paid: '已支付', closed: '已关闭', partially_refunded: '部分退款', refunded: '已退款' }

Page({
  data: { order: null, status: '', message: '' },

  onLoad({ no }) {
    this.no = no
  },

  /** Also when the mini-program comes back to the front: the callback of a payment may have been lost. */
  onShow() {
    return this.attempt(async () => this.show(await app.shop.order(this.no)))
  },

  pay() {
    return this.attempt(async () => {
      const { order, message } = await app.shop.pay(this.no)
      this.show(order || this.data.order, message)
    })
  },

  close() {
    return this.attempt(async () => this.show(await app.shop.close(this.no)))
  },

  show(order, message = '') {
    this.setData({ order, status: STATUS[order.status], message })
  },

  async attempt(work) {
    try {
      await work()
    } catch (error) {
      this.setData({ message: error.message })
    }
  }
})
