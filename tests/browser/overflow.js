// Everything that is wider than there is room for. What scrolls by itself, or ends in dots, may be, and the number on the
// bag.
() => [...document.querySelectorAll('body, body *')]
  .filter(element => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
  .filter(element => {
    const { display, overflowX, textOverflow } = getComputedStyle(element)
    return display !== 'inline' && overflowX !== 'auto' && textOverflow !== 'ellipsis'
  })
  .filter(element => !element.closest('.unseen, svg') && !element.matches('.arrow, .line, .bag, input, select'))
  .map(element => `${element.tagName}.${element.className} ${element.scrollWidth} > ${element.clientWidth}`)
