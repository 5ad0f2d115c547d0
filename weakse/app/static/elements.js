// Elements of a page; what they say is text, never HTML.
export function h(tag, attributes = {}, ...children) {
  // an element; `text` is its text, `on` its listeners
  const { text, on = {}, style, ...rest } = attributes;
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(rest))
    if (value !== undefined && value !== false && value !== null) el.setAttribute(name, value === true ? '' : value);
  if (style) el.style.cssText = style;
  if (text !== undefined) el.textContent = text;
  for (const [event, f] of Object.entries(on)) el.addEventListener(event, f);
  el.append(...children.filter((c) => c !== null && c !== undefined));
  return el;
}
export const button = (text, click, attributes = {}) => h('button', { type: 'button', class: 'ws-button', text, on: { click }, ...attributes });
