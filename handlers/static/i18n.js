/** Every text of the phone, in Chinese and English, and which of the two is on. Those of the panel are `wire-texts.js`'s. */
import { WIRE_TEXTS } from './wire-texts.js'

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
    closed_app: 'The mini-program was closed',
    closed_app_hint: 'The money is paid, and nobody told the shop. Its server will find out.',
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
    declined: 'Not paid'
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
    closed_app: '小程序已被关闭',
    closed_app_hint: '钱已付，但没有人告诉商家。服务器会自己查到。',
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
    declined: '支付未完成'
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
  const text = TEXTS[current][name] || WIRE_TEXTS[current][name] || name
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key])
}

/** A product's title or description in the current language. */
export function of(product, field) {
  return (current === 'en' && product[`${field}_en`]) || product[field] || ''
}
