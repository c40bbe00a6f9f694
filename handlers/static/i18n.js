/** Every text of the page, in Chinese and English, and which of the two is on. */

const TEXTS = {
  en: {
    shop: 'Tea & Bean',
    tagline: 'Coffee, tea, and what goes with them',
    my_orders: 'My orders',
    order: 'Order',
    back: 'Back',
    other_language: '中文',
    switch_language: 'Switch to Chinese',
    menu: 'On the counter today',
    add: 'Add {title}',
    remove: 'Remove one {title}',
    quantity: '{title} in the basket: {n}',
    basket: 'Basket',
    basket_count: '{n} in the basket',
    basket_empty: 'Basket is empty',
    checkout: 'Check out',
    loading: 'Loading…',
    retry: 'Try again',
    no_orders: 'No orders yet',
    no_orders_hint: 'What you buy shows up here, paid or not.',
    to_shop: 'Back to the shop',
    status_pending: 'Waiting for payment',
    status_paid: 'Paid',
    status_closed: 'Closed',
    status_partially_refunded: 'Partly refunded',
    status_refunded: 'Refunded',
    status_closing: 'Being closed',
    hint_pending: 'Pay within {time}',
    hint_expired: 'The time to pay is over.',
    hint_paid: 'Thank you! We are preparing it.',
    hint_closed: 'This order can no longer be paid.',
    hint_refunded: 'The money is on its way back to you.',
    hint_closing: 'WeChat closes an order five minutes after it was made, at the earliest.',
    items: 'Items',
    total: 'Total',
    order_no: 'Order no.',
    created_at: 'Placed',
    paid_at: 'Paid at',
    pay: 'Pay',
    paying: 'Paying…',
    cancel_order: 'Cancel order',
    cancel_sure: 'Really cancel?',
    ask: 'Ask again',
    and_more: '{title} and {more} more',
    cashier: 'WeChat Pay (simulated)',
    cashier_close: 'Close without paying',
    cashier_to: 'To {shop}',
    method: 'Pay with',
    method_balance: 'Balance',
    method_empty: 'Empty card (is declined)',
    method_change: 'Change the payment method',
    password: 'Password: {n} of 6 digits entered',
    password_hint: 'Any six digits will do',
    erase: 'Delete the last digit',
    working: 'Paying…',
    success: 'Payment successful',
    done: 'Done',
    declined: 'Not paid',
    story_eyebrow: 'Self-hosted WeChat Pay backend',
    story_title: 'Buy something. Watch it get paid.',
    story_lead:
      "The phone is a mini-program running against your own server. WeChat's side is played by a simulator on this machine, which signs and checks every message as the real one does.",
    api_label: 'Payment API',
    version_label: 'Version',
    mode_label: 'Mode',
    mode_simulator: 'Simulator',
    steps_title: 'What is going on',
    step_login: 'Login',
    step_login_text: 'wx.login gives a code; the server exchanges it at WeChat and keeps the openid to itself.',
    step_order: 'Order',
    step_order_text: 'The phone sends products and quantities. The server prices them.',
    step_prepay: 'Prepay',
    step_prepay_text: 'The server announces the order to WeChat Pay, gets a prepay_id and signs it for the phone.',
    step_cashier: 'Cashier',
    step_cashier_text: 'WeChat checks that signature, shows the amount and takes the password.',
    step_notify: 'Notification',
    step_notify_text: 'WeChat calls the server. It verifies, stores, acknowledges.',
    step_paid: 'Paid',
    step_paid_text: 'The phone asked the server, never its own callback. Only now is it paid.',
    note_kept: 'token kept from an earlier visit',
    note_expires: 'token for {n} h',
    note_cancelled: 'closed without paying',
    note_declined: 'declined',
    note_notified: 'signature verified, order moved',
    note_asked: "the server's own query was faster",
    doing: 'in progress',
    did: 'done',
    switch_title: 'The other generation',
    switch_text: 'Stop the server and start it again with:',
    look_title: 'Behind the counter',
    look_ledger: "WeChat's ledger",
    look_exchanges: 'Messages with verdicts',
    look_api: 'API description'
  },
  zh: {
    shop: '茶与豆',
    tagline: '咖啡、茶，和配得上它们的小点',
    my_orders: '我的订单',
    order: '订单',
    back: '返回',
    other_language: 'EN',
    switch_language: '切换到英文',
    menu: '今日供应',
    add: '添加{title}',
    remove: '减少一份{title}',
    quantity: '已选{title} {n} 份',
    basket: '购物车',
    basket_count: '已选 {n} 件',
    basket_empty: '购物车是空的',
    checkout: '去结算',
    loading: '加载中…',
    retry: '重试',
    no_orders: '还没有订单',
    no_orders_hint: '下单后会显示在这里，无论是否已支付。',
    to_shop: '返回商店',
    status_pending: '待支付',
    status_paid: '支付成功',
    status_closed: '已关闭',
    status_partially_refunded: '部分退款',
    status_refunded: '已退款',
    status_closing: '正在关闭',
    hint_pending: '请在 {time} 内完成支付',
    hint_expired: '支付时间已过。',
    hint_paid: '谢谢惠顾，正在为您准备。',
    hint_closed: '该订单已无法支付。',
    hint_refunded: '款项正在原路退回。',
    hint_closing: '微信支付要求订单生成至少五分钟后才能关闭。',
    items: '商品',
    total: '合计',
    order_no: '订单号',
    created_at: '下单时间',
    paid_at: '支付时间',
    pay: '支付',
    paying: '支付中…',
    cancel_order: '取消订单',
    cancel_sure: '确定取消？',
    ask: '重新查询',
    and_more: '{title}等 {count} 件',
    cashier: '微信支付（模拟）',
    cashier_close: '关闭，不支付',
    cashier_to: '付款给 {shop}',
    method: '付款方式',
    method_balance: '零钱',
    method_empty: '余额不足的卡（会失败）',
    method_change: '更换付款方式',
    password: '支付密码：已输入 {n} 位，共 6 位',
    password_hint: '任意六位数字即可',
    erase: '删除最后一位',
    working: '正在支付…',
    success: '支付成功',
    done: '完成',
    declined: '支付未完成',
    story_eyebrow: '自托管的微信支付后端',
    story_title: '买点什么，看它一步步付清。',
    story_lead:
      '手机里是一个小程序，连接的是您自己的服务器。微信一侧由本机的模拟器扮演：每一条消息都像真的微信支付那样签名和验签。',
    api_label: '支付接口',
    version_label: '版本',
    mode_label: '模式',
    mode_simulator: '模拟器',
    steps_title: '正在发生什么',
    step_login: '登录',
    step_login_text: 'wx.login 得到 code，服务器向微信换取 openid，openid 不离开服务器。',
    step_order: '下单',
    step_order_text: '手机只提交商品和数量，价格由服务器计算。',
    step_prepay: '预支付',
    step_prepay_text: '服务器向微信支付下单，取得 prepay_id，并为手机签名。',
    step_cashier: '收银台',
    step_cashier_text: '微信核对签名，显示金额，输入密码。',
    step_notify: '支付通知',
    step_notify_text: '微信回调服务器：验签、落库、应答。',
    step_paid: '已支付',
    step_paid_text: '手机询问的是服务器，而不是自己的回调。到这里才算支付成功。',
    note_kept: '沿用上次的登录凭证',
    note_expires: '凭证有效 {n} 小时',
    note_cancelled: '未支付即关闭',
    note_declined: '支付被拒绝',
    note_notified: '验签通过，订单已更新',
    note_asked: '服务器主动查询先到一步',
    doing: '进行中',
    did: '已完成',
    switch_title: '换一代接口',
    switch_text: '停止服务器，再用下面的命令启动：',
    look_title: '看看幕后',
    look_ledger: '微信侧账本',
    look_exchanges: '往来报文与验签结果',
    look_api: '接口说明'
  }
}

const KEPT = 'language'
let current = 'en'

/** `?lang=` wins, then an earlier choice, then what the server took from the browser. */
export function startLanguage() {
  const asked = new URLSearchParams(location.search).get('lang')
  const wanted = [asked, localStorage.getItem(KEPT), document.documentElement.lang].find(name => name in TEXTS)
  current = wanted || 'en'
  document.documentElement.lang = current
}

export function language() {
  return current
}

export function switchLanguage() {
  current = current === 'zh' ? 'en' : 'zh'
  document.documentElement.lang = current
  localStorage.setItem(KEPT, current)
  const address = new URL(location.href)
  address.searchParams.set('lang', current)
  history.replaceState(history.state, '', address)
}

/** The text called `name`, with `{values}` filled in. */
export function t(name, values = {}) {
  return TEXTS[current][name].replace(/\{(\w+)\}/g, (_, key) => values[key])
}

/** A product's title or description in the current language. */
export function of(product, field) {
  return (current === 'en' && product[`${field}_en`]) || product[field] || ''
}
