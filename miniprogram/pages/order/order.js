const app = getApp()

Page({
  data: { order: null, paying: false, message: '' },

  onLoad({ no }) {
    this.no = no
  },

  /** The server asks WeChat: the callback of a payment may have been lost while this page was away. */
  onShow() {
    return this.attempt(async () => this.setData({ order: await app.shop.sync(this.no) }))
  },

  async pay() {
    this.setData({ paying: true, message: '' })
    await this.attempt(async () => {
      const { order, message } = await app.shop.pay(this.no)
      this.setData({ order: order || this.data.order, message })
    })
    this.setData({ paying: false })
  },

  close() {
    return this.attempt(async () => this.setData({ order: await app.shop.close(this.no), message: '' }))
  },

  attempt(work) {
    return work().catch(error => this.setData({ message: error.message }))
  }
})
